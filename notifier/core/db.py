"""The notifier's own connections and its SQL files."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any, TypeVar

import psycopg
from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool

from leads import database, sql

#: No connection is held while a provider is waited for, so far fewer are needed than there are threads.
POOL_SIZE = 10

T = TypeVar("T")

_size = POOL_SIZE
_lock = Lock()
_pools: list[ConnectionPool] = []


@contextmanager
def transaction(timeout: float | None = None) -> Iterator[psycopg.Cursor[DictRow]]:
    """A cursor inside a transaction that commits at the end of the block, or rolls back with its exception.

    Waits ``timeout`` seconds for a free connection (the pool's 10 by default), then raises psycopg_pool.PoolTimeout.
    """
    with _pool().connection(timeout) as connection, connection.transaction():
        yield connection.cursor(row_factory=dict_row)


@contextmanager
def pipeline() -> Iterator[psycopg.Connection]:
    """A connection inside a transaction whose statements leave together: the server is waited for once, at the end.

    Use a cursor for each statement whose rows are wanted, and fetch them after the block.
    """
    with _pool().connection() as connection, connection.pipeline():
        # psycopg's own transaction block waits for the server once more. Left by an exception, the pool rolls it back.
        connection.execute("BEGIN")
        yield connection
        connection.execute("COMMIT")


def repeated(transact: Callable[[], T], *, timeout: float = 0.0) -> T:
    """Runs a transaction again when it lost a race for rows, and for ``timeout`` seconds while the database is away.

    Only for what may be done twice: a commit whose answer was lost is repeated too.
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
    """Run ``sql/<name>.sql`` of a package (``deliveries/claim``) as a transaction of its own, in one round trip.

    Return its rows.
    """
    with _pool().connection() as connection:
        return rows(connection.cursor(row_factory=dict_row), name, **parameters)


def statement(name: str) -> str:
    """Return the text of a package's ``.sql`` file: ``deliveries/claim`` is ``notifier/deliveries/sql/claim.sql``."""
    return sql.statement(f"notifier/{name}")


def rows(cursor: psycopg.Cursor[DictRow], name: str, **parameters: Any) -> list[DictRow]:
    """Run a package's ``.sql`` file (``deliveries/claim``) and return its rows."""
    return cursor.execute(statement(name), parameters).fetchall()


def _pool() -> ConnectionPool:
    with _lock:
        if not _pools:
            _pools.append(database.pool("notifier", max_size=_size))
        return _pools[0]


def limit(connections: int) -> None:
    """How many connections this process uses at most, from the next pool on."""
    global _size
    _size = connections


def close() -> None:
    """Closes the pool; the next use opens a new one."""
    with _lock:
        while _pools:
            _pools.pop().close()
