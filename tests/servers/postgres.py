"""PostgreSQL for tests: a server for each pytest process, and a database for each test."""

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
    """A migrated leads database of one test's own, and an autocommit connection to it."""

    url: str
    connection: psycopg.Connection[Any]
    server: PostgresServer

    def waiting_sessions(self) -> int:
        """Return how many sessions of this database wait for another's lock."""
        waiting = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        with psycopg.connect(self.url) as connection:
            return connection.execute(waiting).rowcount


@contextmanager
def running_postgres(*, is_durable: bool = False) -> Iterator[PostgresServer]:
    """Yield a server that is fast because nothing in it survives a power cut, unless it ``is_durable``."""
    settings = SETTINGS if is_durable else {**UNSAFE, **SETTINGS}
    with (
        service_folder("pg", in_memory=not is_durable) as folder,
        PostgresServer(folder / "postgres", settings=settings) as server,
    ):
        yield server


def make_template(server: PostgresServer) -> str:
    """Make a migrated database to copy, and return its name."""
    from alembic import command

    from migrations import configuration

    server.ensure_database(TEMPLATE)
    command.upgrade(configuration(server.url(TEMPLATE)), "head")
    return TEMPLATE


@contextmanager
def fresh_database(server: PostgresServer, name: str, template: str) -> Iterator[Database]:
    """Yield a copy of ``template``, which is dropped afterwards together with all connections to it."""
    server.copy_database(name, template)
    try:
        with psycopg.connect(server.url(name), autocommit=True) as connection:
            yield Database(server.url(name), connection, server)
    finally:
        server.drop_database(name)
