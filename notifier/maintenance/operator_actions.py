"""Works on operators' actions that change many rows, a batch at a time."""

from __future__ import annotations

import time

import psycopg
from psycopg.rows import dict_row

from leads.logs import get_logger
from notifier.core.settings import settings
from notifier.maintenance.scheduler import Connection

log = get_logger(__name__)

RUNNING = "SELECT id FROM operator_actions WHERE state = 'running' ORDER BY id"
BATCH = 500
#: The time (s) that each round of the leader may spend on actions, so that its other tasks are not late.
SECONDS = 0.5


def continue_operator_actions(connection: Connection) -> None:
    """Work on the running actions, one batch of each in turn, for at most about SECONDS."""
    end = time.monotonic() + SECONDS
    while running := connection.execute(
        "SELECT id FROM operator_actions WHERE state = 'running' ORDER BY id"
    ).fetchall():
        for (action_id,) in running:
            _continue(connection, action_id)
            if time.monotonic() > end:
                return


def _continue(connection: Connection, action_id: int) -> None:
    """Work on one batch of an action in a transaction of its own."""
    try:
        with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
            cursor.execute("SET LOCAL lock_timeout = '300ms'")
            cursor.execute(
                "SELECT * FROM continue_operator_action(%s, %s, %s)", (action_id, BATCH, settings.notifier_time_scale)
            )
            action = cursor.fetchone()
    except psycopg.errors.LockNotAvailable:
        log.warning("operator_action_waits_for_a_lock", action_id=action_id)
        return
    if action is not None and action["state"] == "done":
        log.info("operator_action_done", action_id=action_id, rows=action["rows"], changed=action["changed"])
