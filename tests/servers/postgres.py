"""Run PostgreSQL for tests, with one server per pytest process and one database per test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from local.postgres import UNSAFE, PostgresServer
from tests.servers.folders import service_folder

TEMPLATE = "leads_template"
SETTINGS = {
    "shared_buffers": "128MB",
    "max_wal_size": "512MB",
    "autovacuum_naptime": "1h",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}


@dataclass(frozen=True)
class Database:
    """A test's own migrated leads database and an autocommit connection to it."""

    url: str
    connection: psycopg.Connection[Any]
    server: PostgresServer

    def waiting_sessions(self) -> int:
        """Return the number of sessions in this database that are waiting for a lock."""
        waiting = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        with psycopg.connect(self.url) as connection:
            return connection.execute(waiting).rowcount


@contextmanager
def running_postgres(*, is_durable: bool = False) -> Iterator[PostgresServer]:
    """Start a server and yield it.

    If ``is_durable`` is false, the server is faster, but would lose its data in a power failure.
    """
    settings = SETTINGS if is_durable else {**UNSAFE, **SETTINGS}
    with (
        service_folder("pg", in_memory=not is_durable) as folder,
        PostgresServer(folder / "postgres", settings=settings) as server,
    ):
        yield server


def make_template(server: PostgresServer) -> str:
    """Create a migrated database for tests to copy; return the database's name."""
    from alembic import command

    from migrations import configuration

    server.ensure_database(TEMPLATE)
    command.upgrade(configuration(server.url(TEMPLATE)), "head")
    return TEMPLATE


@contextmanager
def fresh_database(server: PostgresServer, name: str, template: str) -> Iterator[Database]:
    """Yield a copy of ``template``. Afterwards, close all connections to the copy and drop the copy."""
    server.copy_database(name, template)
    try:
        with psycopg.connect(server.url(name), autocommit=True) as connection:
            yield Database(server.url(name), connection, server)
    finally:
        server.drop_database(name)
