"""Pause and resume queues. No worker claims deliveries or lookups of a paused queue.

Claims that are in progress finish. Deliveries still expire, and Twilio is still asked about SMS messages and calls.
"""

from __future__ import annotations

import psycopg

from notifier.core.db import transaction


class PauseRefused(ValueError):
    """The queue does not exist or cannot be paused, or the reason is blank."""


def pause(queue_name: str, *, actor: str, reason: str) -> bool:
    """Pause a queue. Returns False if the queue is already paused. Raises PauseRefused."""
    return _call("SELECT pause_queue(%s, %s, %s) AS is_changed", queue_name, actor, reason)


def resume(queue_name: str, *, actor: str, reason: str) -> bool:
    """Resume a queue. The leader wakes its workers. Returns False if the queue is not paused. Raises PauseRefused."""
    return _call("SELECT resume_queue(%s, %s, %s) AS is_changed", queue_name, actor, reason)


def _call(statement: str, *parameters: str) -> bool:
    try:
        with transaction() as cursor:
            row = cursor.execute(statement, parameters).fetchone()
    except psycopg.errors.InvalidParameterValue as error:
        raise PauseRefused(error.diag.message_primary) from None
    return bool(row and row["is_changed"])
