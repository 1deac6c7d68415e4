"""Connections to the leads database."""

from __future__ import annotations

from typing import Any

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


def connect(application_name: str, **options: Any) -> psycopg.Connection:
    """One autocommit connection; raises psycopg.OperationalError when the server does not answer."""
    return psycopg.connect(
        settings.database_url(), autocommit=True, application_name=application_name, **_KEEPALIVE, **options
    )


def pool(application_name: str, *, most: int, statement_timeout_ms: int = 30_000) -> ConnectionPool:
    """An open pool of at most ``most`` autocommit connections, made as they are needed.

    Borrowing waits 10 s for a free one, then raises psycopg_pool.PoolTimeout.
    """
    return ConnectionPool(
        settings.database_url(),
        min_size=1,
        max_size=most,
        timeout=10,
        check=ConnectionPool.check_connection,
        kwargs={
            "autocommit": True,
            "application_name": application_name,
            "options": f"-c statement_timeout={statement_timeout_ms} -c lock_timeout=10000",
            **_KEEPALIVE,
        },
        name=application_name,
        open=True,
    )
