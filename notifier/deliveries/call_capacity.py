"""Calls in progress are counted over all processes, in the database: a claim finds a free line or waits."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg
from psycopg.rows import DictRow

from notifier.core import pricing
from notifier.core.db import rows
from notifier.core.queues import VOICE


def free_call_capacity(cursor: psycopg.Cursor[DictRow], kinds: Sequence[str]) -> int:
    """How many calls may be started now, over all processes, until the transaction of ``cursor`` ends.

    With none free, what is due says so and waits a little.
    """
    # A statement of its own: the next one must see what the holder before has committed.
    cursor.execute("SELECT pg_advisory_xact_lock(hashtext('notifier:calls'))")
    free = int(
        rows(cursor, "deliveries/free_call_capacity", limit=VOICE.concurrency, longest=pricing.longest_seconds())[0][
            "free"
        ]
    )
    if free <= 0:
        rows(cursor, "deliveries/defer_calls", kinds=list(kinds))
    return max(0, free)
