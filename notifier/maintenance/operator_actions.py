"""Works on operators' actions that change many rows, a batch at a time."""

from __future__ import annotations

import time

import psycopg
from psycopg.rows import dict_row

from leads.logs import get_logger
from leads.redaction import where
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
    running = [row[0] for row in connection.execute(RUNNING).fetchall()]
    while running and time.monotonic() < end:
        running = [action_id for action_id in running if _continue(connection, action_id)]


def _continue(connection: Connection, action_id: int) -> bool:
    """Work on one batch of an action in a transaction of its own. Returns whether the action may continue now."""
    try:
        with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
            cursor.execute("SET LOCAL lock_timeout = '300ms'")
            cursor.execute(
                "SELECT * FROM continue_operator_action(%s, %s, %s)", (action_id, BATCH, settings.notifier_time_scale)
            )
            action = cursor.fetchone()
    except psycopg.Error as error:
        if connection.closed:
            raise
        # Another session may hold a lock. The action continues in a later round, and other actions are not held up.
        log.warning("operator_action_waits", action_id=action_id, error=where(error))
        return False
    if action is not None and action["state"] == "done":
        log.info("operator_action_done", action_id=action_id, rows=action["rows"], changed=action["changed"])
    return action is not None and action["state"] == "running"
