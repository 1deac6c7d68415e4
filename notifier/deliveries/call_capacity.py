"""Limits the number of outbound calls in progress. The database counts the calls across all processes."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg
from psycopg.rows import DictRow

from notifier.core import pricing
from notifier.core.db import rows
from notifier.core.queues import VOICE


def free_call_capacity(cursor: psycopg.Cursor[DictRow], kinds: Sequence[str]) -> int:
    """Return how many outbound calls may start now.

    Takes a lock, so that other processes that call this function wait until the cursor's transaction ends. If no call
    may start, the due deliveries of ``kinds`` are deferred for a few seconds.
    """
    # Take the lock in a separate statement, so that the next statement sees the rows that the previous holder
    # committed.
    cursor.execute("SELECT pg_advisory_xact_lock(hashtext('notifier:calls'))")
    limits = {"limit": VOICE.concurrency, "longest": pricing.longest_seconds()}
    free = int(rows(cursor, "deliveries/free_call_capacity", **limits)[0]["free"])
    if free <= 0:
        rows(cursor, "deliveries/defer_calls", kinds=list(kinds))
    return max(0, free)
