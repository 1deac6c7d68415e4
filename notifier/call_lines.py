"""Calls in progress are counted over all processes, in the database: a claim finds a free line or waits."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg
from psycopg.rows import DictRow

from notifier import pricing
from notifier.lanes import VOICE
from notifier.store import rows


def free_lines(cursor: psycopg.Cursor[DictRow], kinds: Sequence[str]) -> int:
    """How many calls may be started now, over all processes, until the transaction of ``cursor`` ends.

    With none free, what is due says so and waits a little.
    """
    # A statement of its own: the next one must see what the holder before has committed.
    cursor.execute("SELECT pg_advisory_xact_lock(hashtext('notifier:calls'))")
    free = int(rows(cursor, "free_call_lines", most=VOICE.concurrency, longest=pricing.longest_seconds())[0]["free"])
    if free <= 0:
        rows(cursor, "defer_calls", kinds=list(kinds))
    return max(0, free)
