"""Databases at any revision, for the tests of migrations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pytest
from alembic import command

from local.postgres import PostgresServer
from migrations import configuration

MakeDatabase = Callable[[str | None], str]

_numbers = count(1)


@pytest.fixture
def database_at(postgres_server: PostgresServer) -> Iterator[MakeDatabase]:
    """Return a function that makes a database at a revision (None: an empty one) and returns its address."""
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
