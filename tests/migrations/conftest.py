"""Create databases at any revision for the migration tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pytest
from alembic import command

from local.postgres import PostgresServer
from migrations import configuration
from tests.servers.postgres import Database, fresh_database

MakeDatabase = Callable[[str | None], str]

_numbers = count(1)


@pytest.fixture
def database_at(postgres_server: PostgresServer) -> Iterator[MakeDatabase]:
    """Return a function that creates a database at a revision and returns the database's URL.

    The revision None means a database without a schema.
    """
    made = []

    def make(revision: str | None) -> str:
        made.append(f"migrations_{next(_numbers)}")
        postgres_server.ensure_database(made[-1])
        url = postgres_server.url(made[-1])
        if revision is not None:
            command.upgrade(configuration(url), revision)
        return url

    yield make
    for name in made:
        postgres_server.drop_database(name)


@pytest.fixture(scope="module")
def shared_database(postgres_server: PostgresServer, leads_template: str) -> Iterator[Database]:
    """Yield one migrated database for all tests in a module. Each test must roll back its changes."""
    with fresh_database(postgres_server, f"shared_{next(_numbers)}", leads_template) as fresh:
        yield fresh
