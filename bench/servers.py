"""Servers of a benchmark's own, with the settings that ``make demo`` uses: nothing made faster by being unsafe."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command

from local.postgres import PostgresServer
from local.redis import RedisServer
from migrations import configuration

LEADS = "leads"


@contextmanager
def folder(name: str) -> Iterator[Path]:
    """A folder on a real disk (``/tmp`` may be memory), removed afterwards; PostgreSQL's system user can reach it."""
    disk = Path("/var/tmp")
    made = Path(tempfile.mkdtemp(prefix=f"leads-bench-{name}-", dir=disk if disk.is_dir() else None))
    made.chmod(0o755)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


@contextmanager
def leads_server() -> Iterator[PostgresServer]:
    """PostgreSQL with an empty, migrated leads database, ``server.url(LEADS)``."""
    with folder("pg") as home, PostgresServer(home / "postgres") as server:
        server.ensure_database(LEADS)
        command.upgrade(configuration(server.url(LEADS)), "head")
        yield server


@contextmanager
def redis_server() -> Iterator[RedisServer]:
    """An empty Redis, ``server.url``."""
    with folder("redis") as home, RedisServer(home) as server:
        yield server
