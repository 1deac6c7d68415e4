"""The notifier's connection pool, and how it runs its SQL files."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any, TypeVar

import psycopg
from psycopg.rows import DictRow, class_row, dict_row
from psycopg_pool import ConnectionPool

from leads import database, sql

#: The notifier holds no connection while it waits for a provider, so it needs far fewer connections than threads.
POOL_SIZE = 10

T = TypeVar("T")

_size = POOL_SIZE
_lock = Lock()
_pools: list[ConnectionPool] = []


@contextmanager
def transaction(timeout: float | None = None) -> Iterator[psycopg.Cursor[DictRow]]:
    """Yield a cursor in a transaction that commits at the end of the block, or rolls back with its exception.

    Waits ``timeout`` seconds for a free connection (the pool's 10 by default), then raises psycopg_pool.PoolTimeout.
    """
    with _pool().connection(timeout) as connection, connection.transaction():
        yield connection.cursor(row_factory=dict_row)


@contextmanager
def pipeline() -> Iterator[psycopg.Connection]:
    """Yield a connection in a transaction whose statements are sent together, with one wait for the server at the end.

    Use one cursor for each statement whose rows you need, and fetch them after the block.
    """
    with _pool().connection() as connection, connection.pipeline():
        # psycopg's own transaction block waits for the server once more. The pool rolls back after an exception.
        connection.execute("BEGIN")
        yield connection
        connection.execute("COMMIT")


def retry_transaction(transact: Callable[[], T], *, timeout: float = 0.0) -> T:
    """Run a transaction again when it loses a race for rows, and for ``timeout`` seconds while the database is away.

    Pass only what may run twice: a commit whose answer was lost runs again too.
    """
    end = time.monotonic() + timeout
    races = 3
    while True:
        try:
            return transact()
        except (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure):
            races -= 1
            if not races and time.monotonic() >= end:
                raise
            time.sleep(0.05)
        except psycopg.OperationalError:  # PoolTimeout is one too
            if time.monotonic() >= end:
                raise
            time.sleep(0.5)


def run(name: str, **parameters: Any) -> list[DictRow]:
    """Run ``sql/<name>.sql`` of a package (``deliveries/claim``) in its own transaction and one round trip.

    Returns its rows.
    """
    with _pool().connection() as connection:
        return rows(connection.cursor(row_factory=dict_row), name, **parameters)


def statement(name: str) -> str:
    """Return the text of a package's ``.sql`` file: ``deliveries/claim`` is ``notifier/deliveries/sql/claim.sql``."""
    return sql.statement(f"notifier/{name}")


def rows(cursor: psycopg.Cursor[DictRow], name: str, **parameters: Any) -> list[DictRow]:
    """Run a package's ``.sql`` file (``deliveries/claim``) and return its rows."""
    return cursor.execute(statement(name), parameters).fetchall()


def records(cursor: psycopg.Cursor[Any], record: type[T], name: str, **parameters: Any) -> list[T]:
    """Run a package's ``.sql`` file in the cursor's transaction and return each row as a ``record``.

    The statement's columns are the arguments of ``record``.
    """
    with cursor.connection.cursor(row_factory=class_row(record)) as typed:
        return typed.execute(statement(name), parameters).fetchall()


def _pool() -> ConnectionPool:
    with _lock:
        if not _pools:
            _pools.append(database.pool("notifier", max_size=_size))
        return _pools[0]


def limit(connections: int) -> None:
    """Set how many connections this process opens at most, from its next pool on."""
    global _size
    _size = connections


def close() -> None:
    """Close the pool. The next use opens a new one."""
    with _lock:
        while _pools:
            _pools.pop().close()
