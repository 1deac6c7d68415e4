"""The notifier's connection pool, and functions that run SQL files."""

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

#: Makes PostgreSQL keep the plans of the transaction's prepared statements, whatever their parameters are.
PLAN_ONCE = "SET LOCAL plan_cache_mode = force_generic_plan"

T = TypeVar("T")

_size = POOL_SIZE
_lock = Lock()
_pools: list[ConnectionPool] = []


@contextmanager
def transaction(timeout: float | None = None) -> Iterator[psycopg.Cursor[DictRow]]:
    """Yield a cursor in a transaction that commits at the end of the block and rolls back on an exception.

    Waits ``timeout`` seconds (10 by default) for a free connection and then raises psycopg_pool.PoolTimeout. Raises
    psycopg.OperationalError if the database is down, or if the database closed the connection because the process was
    frozen.
    """
    try:
        with _pool().connection(timeout) as connection, connection.transaction():
            yield connection.cursor(row_factory=dict_row)
    except psycopg.errors.IdleInTransactionSessionTimeout as error:
        raise psycopg.OperationalError("the transaction was left open for too long") from error


@contextmanager
def pipeline() -> Iterator[psycopg.Connection]:
    """Yield a connection in a transaction whose statements are sent without waiting for the server until the end.

    If you need a statement's rows, give the statement its own cursor, and fetch the rows after the block.
    """
    with _pool().connection() as connection, connection.pipeline():
        # Do not use psycopg's transaction block, which waits for the server once more. The pool rolls back after an
        # exception.
        connection.execute("BEGIN")
        yield connection
        connection.execute("COMMIT")


def retry_transaction(transact: Callable[[], T], *, timeout: float = 0.0) -> T:
    """Retry a transaction after a deadlock or conflict, and for ``timeout`` seconds while the database is down.

    The transaction must be safe to run twice, because it runs again if the reply to its commit was lost.
    """
    end = time.monotonic() + timeout
    races = 3
    failures = 0
    while True:
        try:
            return transact()
        except (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure):
            races -= 1
            if not races and time.monotonic() >= end:
                raise
            time.sleep(0.05)
        except psycopg.OperationalError:  # including PoolTimeout
            failures += 1
            # If the process was frozen for longer than ``timeout``, perhaps only its connection was lost, so try once
            # more.
            if time.monotonic() >= end and (failures > 1 or not timeout):
                raise
            time.sleep(0.5)


def run(name: str, **parameters: Any) -> list[DictRow]:
    """Run a package's ``.sql`` file (such as ``deliveries/claim``) in its own transaction, in one round trip.

    Returns its rows.
    """
    with _pool().connection() as connection:
        return rows(connection.cursor(row_factory=dict_row), name, **parameters)


def statement(name: str) -> str:
    """Return the text of a ``.sql`` file. ``deliveries/claim`` is ``notifier/deliveries/sql/claim.sql``."""
    return sql.statement(f"notifier/{name}")


def rows(cursor: psycopg.Cursor[DictRow], name: str, **parameters: Any) -> list[DictRow]:
    """Run a package's ``.sql`` file (such as ``deliveries/claim``) and return its rows."""
    return cursor.execute(statement(name), parameters).fetchall()


def records(cursor: psycopg.Cursor[Any], record: type[T], name: str, **parameters: Any) -> list[T]:
    """Run a package's ``.sql`` file in the cursor's transaction, and return each row as a ``record``.

    The statement's columns become the arguments of ``record``.
    """
    with cursor.connection.cursor(row_factory=class_row(record)) as typed:
        return typed.execute(statement(name), parameters).fetchall()


def _pool() -> ConnectionPool:
    with _lock:
        if not _pools:
            _pools.append(database.pool("notifier", max_size=_size))
        return _pools[0]


def limit(connections: int) -> None:
    """Set the maximum number of connections in this process's next pool."""
    global _size
    _size = connections


def close() -> None:
    """Close the pool. The next transaction opens a new pool."""
    with _lock:
        while _pools:
            _pools.pop().close()
