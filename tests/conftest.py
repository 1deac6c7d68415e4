"""Fixtures for all tests. Each server is real and starts only when a test needs it.

Each test that uses ``database`` gets a new, migrated leads database. Creating the database takes about 50 ms.
``redis_url`` is the URL of an empty Redis. ``sandbox`` stands in for the county and the providers, and has no recorded
requests when a test starts. ``object_storage`` is an empty bucket. Each pytest process, such as a pytest-xdist worker,
has its own servers.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
import redis

from local.paths import ROOT
from local.postgres import PostgresServer
from local.redis import RedisServer
from local.settings import Sandbox
from tests.rows import Rows
from tests.servers.airflow import airflow_folders
from tests.servers.folders import process_folder, service_folder, temporary_folder
from tests.servers.mailbox import Mailbox, running_mailbox
from tests.servers.object_storage import ObjectStorage, running_object_storage
from tests.servers.postgres import Database, fresh_database, make_template, running_postgres
from tests.servers.sandbox import reset_sandbox, running_sandbox

_declared_settings = re.findall(r"^(?:# )?([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text("utf-8"), re.MULTILINE)
# Remove the settings exported in the caller's shell, which may be for production. Each test sets what it needs.
for _name in [*_declared_settings, *(name for name in os.environ if name.startswith("AIRFLOW"))]:
    os.environ.pop(_name, None)
# Airflow reads these variables when it is first imported, which may happen in any test. Without these variables,
# Airflow would create a folder in the user's home folder.
os.environ |= airflow_folders(process_folder(temporary_folder()) / "airflow")

_numbers = count(1)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def leads_template(postgres_server: PostgresServer) -> str:
    return make_template(postgres_server)


@pytest.fixture
def database(postgres_server: PostgresServer, leads_template: str) -> Iterator[Database]:
    with fresh_database(postgres_server, f"test_{next(_numbers)}", leads_template) as fresh:
        yield fresh


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    with service_folder("redis") as folder, RedisServer(folder) as server:
        yield server


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    with redis.Redis.from_url(redis_server.url) as client:
        client.flushall()
    return redis_server.url


@pytest.fixture(scope="session")
def sandbox_process() -> Iterator[Sandbox]:
    with running_sandbox() as running:
        yield running


@pytest.fixture
def sandbox(sandbox_process: Sandbox) -> Sandbox:
    reset_sandbox(sandbox_process)
    return sandbox_process


@pytest.fixture(scope="session")
def object_storage_server() -> Iterator[ObjectStorage]:
    with service_folder("gcs") as folder, running_object_storage(folder) as running:
        yield running


@pytest.fixture
def object_storage(object_storage_server: ObjectStorage, monkeypatch: pytest.MonkeyPatch) -> ObjectStorage:
    """Return an empty bucket, and set ``ARCHIVE_URL`` to the bucket's URL."""
    object_storage_server.reset()
    for name, value in object_storage_server.environment.items():
        monkeypatch.setenv(name, value)
    return object_storage_server


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Mailbox]:
    """Yield a real SMTP server that receives on-call's alerts."""
    with running_mailbox() as box:
        monkeypatch.setenv("ONCALL_URLS", box.url())
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        yield box


@pytest.fixture
def rows(database: Database, monkeypatch: pytest.MonkeyPatch) -> Rows:
    """Return helpers that write rows to the test's own leads database, and set ``DATABASE_URL`` to that database."""
    monkeypatch.setenv("DATABASE_URL", database.url)
    return Rows(database)
