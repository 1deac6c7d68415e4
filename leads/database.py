"""Connections to the leads database."""

from __future__ import annotations

import time
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from psycopg_pool import ConnectionPool

from leads import settings

#: A server that vanished without a word is noticed within about half a minute.
_KEEPALIVE: dict[str, Any] = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "connect_timeout": 10,
}


#: A connection that was used so recently (s) is taken to be alive: asking would cost as much as a small query.
IDLE_SECONDS = 1.0
_lent: WeakKeyDictionary[psycopg.Connection, float] = WeakKeyDictionary()


def connect(application_name: str, **options: Any) -> psycopg.Connection:
    """One autocommit connection; raises psycopg.OperationalError when the server does not answer."""
    return psycopg.connect(
        settings.database_url(), autocommit=True, application_name=application_name, **_KEEPALIVE, **options
    )


def pool(application_name: str, *, max_size: int, statement_timeout_ms: int = 30_000) -> ConnectionPool:
    """An open pool of at most ``max_size`` autocommit connections, made as they are needed.

    Borrowing waits 10 s for a free one, then raises psycopg_pool.PoolTimeout.
    """
    return ConnectionPool(
        settings.database_url(),
        min_size=1,
        max_size=max_size,
        timeout=10,
        check=_check_rested,
        kwargs={
            "autocommit": True,
            "application_name": application_name,
            "options": f"-c statement_timeout={statement_timeout_ms} -c lock_timeout=10000",
            **_KEEPALIVE,
        },
        name=application_name,
        open=True,
    )


def _check_rested(connection: psycopg.Connection) -> None:
    """Raises what psycopg raises when the connection has been idle for a while and is dead.

    Noted when it is lent: a function for its return would be called by another thread, with the connection out of the
    pool until then.
    """
    now = time.monotonic()
    if now - _lent.get(connection, 0.0) > IDLE_SECONDS:
        ConnectionPool.check_connection(connection)
    _lent[connection] = now
