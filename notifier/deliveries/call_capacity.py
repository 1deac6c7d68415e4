"""The number of calls in progress over all processes, which the database counts."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg
from psycopg.rows import DictRow

from notifier.core import pricing
from notifier.core.db import rows
from notifier.core.queues import VOICE


def free_call_capacity(cursor: psycopg.Cursor[DictRow], kinds: Sequence[str]) -> int:
    """Return how many calls may start now, over all processes, until the cursor's transaction ends.

    When none may, the due deliveries of ``kinds`` are deferred for a few seconds.
    """
    # A statement of its own: the next one must see what the lock's last holder has committed.
    cursor.execute("SELECT pg_advisory_xact_lock(hashtext('notifier:calls'))")
    limits = {"limit": VOICE.concurrency, "longest": pricing.longest_seconds()}
    free = int(rows(cursor, "deliveries/free_call_capacity", **limits)[0]["free"])
    if free <= 0:
        rows(cursor, "deliveries/defer_calls", kinds=list(kinds))
    return max(0, free)
