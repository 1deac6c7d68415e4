"""Start the servers for one benchmark with the same settings as ``make demo``.

The servers run without the unsafe settings that would make them faster.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from alembic import command

from local.postgres import PostgresServer
from local.redis import RedisServer
from migrations import configuration

LEADS = "leads"


@contextmanager
def folder(name: str) -> Iterator[Path]:
    """Yield a temporary folder that PostgreSQL's system user can reach.

    The folder is on a real disk, because ``/tmp`` may be in memory.
    """
    disk = Path("/var/tmp")
    made = Path(tempfile.mkdtemp(prefix=f"leads-bench-{name}-", dir=disk if disk.is_dir() else None))
    made.chmod(0o755)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


@contextmanager
def leads_server(settings: Mapping[str, str] | None = None) -> Iterator[PostgresServer]:
    """Start PostgreSQL with an empty, migrated leads database (``server.url(LEADS)``); yield the server."""
    with folder("pg") as home, PostgresServer(home / "postgres", settings=settings) as server:
        server.ensure_database(LEADS)
        command.upgrade(configuration(server.url(LEADS)), "head")
        yield server


@contextmanager
def redis_server() -> Iterator[RedisServer]:
    """Start an empty Redis (``server.url``); yield the server."""
    with folder("redis") as home, RedisServer(home) as server:
        yield server
