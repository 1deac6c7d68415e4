"""The sweep, which changes the state of deliveries that have waited too long.

The rules are in ``sql/sweep_*.sql``.
"""

from __future__ import annotations

import psycopg
from psycopg.rows import dict_row

from leads.logs import get_logger
from notifier.core.db import rows
from notifier.core.settings import settings
from notifier.core.states import State
from notifier.deliveries.settlement import settle_or_release
from notifier.maintenance.scheduler import Connection

log = get_logger(__name__)

#: The maximum number of deliveries of each kind that one sweep expires.
BATCH = 2_000

#: The statements of a sweep, in order, with the new state that each statement sets.
STATEMENTS = (
    ("maintenance/sweep_stale", State.UNKNOWN),
    ("maintenance/sweep_resend", State.QUEUED),
    ("maintenance/sweep_park", State.PARKED),
    ("maintenance/sweep_expire", State.EXPIRED),
)


def sweep(connection: Connection) -> dict[str, int]:
    """Run each statement in its own transaction. Returns the number of deliveries that changed to each state."""
    moved = {}
    for name, state in STATEMENTS:
        try:
            with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
                found = rows(
                    cursor,
                    name,
                    scale=settings.notifier_time_scale,
                    timeout=settings.provider_timeout_seconds,
                    limit=BATCH,
                )
                settle_or_release(cursor, [row["id"] for row in found], state, state.value)
        except psycopg.errors.LockNotAvailable:
            log.warning("sweep_waits_for_a_lock", statement=name)
            continue
        if found:
            moved[state.value] = len(found)
    if moved:
        log.info("deliveries_swept", moved=moved)
    return moved
