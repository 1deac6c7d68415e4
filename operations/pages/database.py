"""The pages' connections to the leads database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any, TypeVar

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.rows import DictRow, class_row, dict_row
from psycopg_pool import ConnectionPool

from leads import database
from leads.settings import settings
from leads.sql import statement

#: Every statement of a page ends after this time. The benchmarks' limit is 150 ms.
STATEMENT_TIMEOUT_MS = 5_000
POOL_SIZE = 4
#: A page waits this long (s) for a connection before it says that the database does not answer.
POOL_TIMEOUT = 3.0

Connection = psycopg.Connection[DictRow]
T = TypeVar("T")

_lock = Lock()
_pools: list[ConnectionPool] = []


@contextmanager
def read() -> Iterator[Connection]:
    """Yield a connection in a read-only transaction, so that all numbers of a page are from the same moment.

    Raises psycopg.OperationalError when the database does not answer.
    """
    with _pool().connection(POOL_TIMEOUT) as connection, connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        connection.row_factory = dict_row  # type: ignore[assignment]  # the pool's connections return tuples
        yield connection  # type: ignore[misc]


@contextmanager
def write() -> Iterator[Connection]:
    """Yield a connection in a transaction that commits at the end of the block."""
    with _pool().connection(POOL_TIMEOUT) as connection, connection.transaction():
        connection.row_factory = dict_row  # type: ignore[assignment]
        yield connection  # type: ignore[misc]


def text(name: str) -> str:
    """Return the text of ``sql/<name>.sql``."""
    return statement(f"operations/pages/{name}")


def rows(connection: Connection, name: str, **parameters: Any) -> list[DictRow]:
    """Run ``sql/<name>.sql`` and return its rows as dicts."""
    return connection.execute(text(name), parameters).fetchall()


def records(connection: Connection, record: type[T], name: str, **parameters: Any) -> list[T]:
    """Run ``sql/<name>.sql`` and return each row as a ``record``, whose fields are the statement's columns."""
    with connection.cursor(row_factory=class_row(record)) as cursor:
        return cursor.execute(text(name), parameters).fetchall()


def close() -> None:
    """Close the pool. The next page opens a new one."""
    with _lock:
        while _pools:
            _pools.pop().close()


def _pool() -> ConnectionPool:
    with _lock:
        if not _pools:
            _pools.append(
                database.pool(
                    "operators-pages", max_size=POOL_SIZE, statement_timeout_ms=STATEMENT_TIMEOUT_MS, url=_address()
                )
            )
        return _pools[0]


def _address() -> str:
    """Return the address of the leads database: Airflow's connection ``leads_db``, or else DATABASE_URL."""
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowException

    try:
        leads_db = BaseHook.get_connection("leads_db")
    except AirflowException:
        return settings.database_url.get_secret_value()
    known = {option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults()}
    options = {name: value for name, value in leads_db.extra_dejson.items() if name in known}
    return make_conninfo(
        host=leads_db.host,
        port=leads_db.port,
        user=leads_db.login,
        password=leads_db.password,
        dbname=leads_db.schema,
        **options,
    )
