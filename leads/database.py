"""Connections to the leads database."""

from __future__ import annotations

import time
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from psycopg_pool import ConnectionPool

from leads.settings import settings

#: With these options, a client notices within about half a minute if the server has disappeared without closing the
#: connection.
KEEPALIVES: dict[str, Any] = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "connect_timeout": 10,
}

#: A connection that was used less than this many seconds ago is assumed to be alive, because a check costs as much as a
#: small query.
IDLE_SECONDS = 1.0
_lent: WeakKeyDictionary[psycopg.Connection, float] = WeakKeyDictionary()


def connect(application_name: str, **options: Any) -> psycopg.Connection:
    """Return an autocommit connection; raise psycopg.OperationalError when the server does not answer."""
    url = settings.database_url.get_secret_value()
    return psycopg.connect(url, autocommit=True, application_name=application_name, **KEEPALIVES, **options)


def pool(
    application_name: str, *, max_size: int, statement_timeout_ms: int = 30_000, url: str | None = None
) -> ConnectionPool:
    """Return an open pool of at most ``max_size`` autocommit connections, which connects when needed.

    ``url`` is the database's address (default: DATABASE_URL). A borrower waits up to 10 s for a free connection; then
    the pool raises psycopg_pool.PoolTimeout.
    """
    return ConnectionPool(
        url or settings.database_url.get_secret_value(),
        min_size=1,
        max_size=max_size,
        timeout=10,
        # The pool doubles the time between its attempts to connect. After the pool has given up, the next borrower
        # makes the pool try again, so the pool recovers within seconds even after a long outage.
        reconnect_timeout=5,
        check=_check_idle,
        kwargs={
            "autocommit": True,
            "application_name": application_name,
            "options": f"-c statement_timeout={statement_timeout_ms} -c lock_timeout=10000"
            # A process that hangs must not keep its locks.
            " -c idle_in_transaction_session_timeout=10000",
            **KEEPALIVES,
        },
        name=application_name,
        open=True,
    )


def _check_idle(connection: psycopg.Connection) -> None:
    """Check a connection that has been idle for a while; raise psycopg's error if it is dead.

    The time is recorded when a connection is lent, not when it is returned. To record the return, the pool would have
    to run a callback in another thread, and it could not lend the connection until the callback ended.
    """
    now = time.monotonic()
    if now - _lent.get(connection, 0.0) > IDLE_SECONDS:
        ConnectionPool.check_connection(connection)
    _lent[connection] = now
