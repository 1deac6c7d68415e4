"""Commits the outcomes of a claim, even if the database is down for a while or other sessions have locked rows."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import psycopg
from psycopg.rows import DictRow

from notifier.core.db import retry_transaction, transaction
from notifier.core.errors import OutcomeNotRecorded

Cursor = psycopg.Cursor[DictRow]
T = TypeVar("T")

#: How many seconds a worker keeps trying to record an outcome while the database is down. After this time, the leader
#: marks the deliveries as unknown.
RECORD_TIMEOUT = 30.0


class _RowLocked(Exception):
    """Another session has locked a row that must change when an outcome is recorded."""


def commit(transact: Callable[[Cursor], T]) -> T:
    """Commit the outcome of a claim. Keeps trying for RECORD_TIMEOUT seconds while the database is down.

    Raises OutcomeNotRecorded after that time.
    """

    def attempt() -> T:
        with transaction() as cursor:
            return transact(cursor)

    try:
        return retry_transaction(attempt, timeout=RECORD_TIMEOUT)
    except psycopg.Error as error:
        raise OutcomeNotRecorded(f"An outcome could not be recorded ({type(error).__name__})") from None


def commit_each(items: Sequence[T], write: Callable[[Cursor, Sequence[T]], object]) -> None:
    """Commit the outcomes of ``items`` together, or in smaller parts while another session has locked one of the rows.

    Only the items with locked rows wait for the locks.
    """
    parts, locked = deque([items]), list[T]()
    while parts and len(items) > 1:
        part = parts.popleft()
        if not _is_recorded(part, write):
            half = len(part) // 2
            parts += [part[:half], part[half:]] if half else []
            locked += [] if half else part
    for item in locked if len(items) > 1 else items:
        commit(partial(_write_one, write, item))


def _write_one(write: Callable[[Cursor, Sequence[T]], object], item: T, cursor: Cursor) -> None:
    write(cursor, [item])


def _is_recorded(part: Sequence[T], write: Callable[[Cursor, Sequence[T]], object]) -> bool:
    """Commit the outcomes of ``part``. Returns false if another session has locked one of the rows."""

    def attempt(cursor: Cursor) -> None:
        cursor.execute("SET LOCAL lock_timeout = '300ms'")
        try:
            write(cursor, part)
        except psycopg.errors.LockNotAvailable:
            raise _RowLocked from None

    try:
        commit(attempt)
    except _RowLocked:
        return False
    return True
