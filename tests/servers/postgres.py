"""The real servers that the tests run against: started when a test first asks, stopped after the last one."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from local.paths import ROOT
from local.postgres import UNSAFE, PostgresServer
from local.processes import Child, ServiceDied
from local.settings import Sandbox

TEMPLATE = "leads_template"


@dataclass(frozen=True)
class Database:
    """A migrated leads database of one test's own, and an autocommit connection to it."""

    url: str
    connection: psycopg.Connection[Any]
    server: PostgresServer

    def waiting_sessions(self) -> int:
        """How many sessions of this database wait for another's lock."""
        waiting = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        with psycopg.connect(self.url) as connection:
            return connection.execute(waiting).rowcount


@contextmanager
def service_folder(name: str) -> Iterator[Path]:
    """A short-named folder that PostgreSQL's system user can reach too; pytest's own are private to their user."""
    base = "/tmp" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix=f"leads-{name}-", dir=base))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running_postgres(*, is_durable: bool = False) -> Iterator[PostgresServer]:
    """A server that is fast because nothing in it survives a power cut, unless it ``is_durable``."""
    settings = {} if is_durable else dict(UNSAFE)
    settings |= {"shared_buffers": "128MB", "autovacuum_naptime": "1h", "wal_level": "minimal", "max_wal_senders": "0"}
    with service_folder("pg") as folder, PostgresServer(folder / "postgres", settings=settings) as server:
        yield server


def make_template(server: PostgresServer) -> str:
    """A migrated database to copy; returns its name."""
    from alembic import command

    from migrations import configuration

    server.ensure_database(TEMPLATE)
    command.upgrade(configuration(server.url(TEMPLATE)), "head")
    return TEMPLATE


@contextmanager
def fresh_database(server: PostgresServer, name: str, template: str) -> Iterator[Database]:
    """A copy of ``template``, dropped afterwards with everybody connected to it."""
    server.copy_database(name, template)
    try:
        with psycopg.connect(server.url(name), autocommit=True) as connection:
            yield Database(server.url(name), connection, server)
    finally:
        server.drop_database(name)


@contextmanager
def running_sandbox(*options: str) -> Iterator[Sandbox]:
    """The county and the providers, played by ``python -m sandbox serve`` with a small world."""
    with service_folder("sandbox") as folder:
        ready = folder / "ready.json"
        command = [sys.executable, "-m", "sandbox", "serve", "--ftp-port", "0", "--http-port", "0", "--seed", "7"]
        command += ["--documents", "500", "--files", str(folder / "files"), "--ready-file", str(ready), *options]
        child = Child("sandbox", command, folder / "sandbox.log", folder=ROOT)
        child.start()
        try:
            yield _wait_for_sandbox(child, ready)
        finally:
            child.stop()


def reset_sandbox(sandbox: Sandbox) -> None:
    """The sandbox forgets what it was sent and told."""
    request = urllib.request.Request(f"{sandbox.url}/_sandbox/reset", data=b"", method="POST")
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10).close()


def airflow_folders(home: Path) -> dict[str, str]:
    """What any Airflow of the tests needs: this project's DAGs, its time zone, a home of its own."""
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DEFAULT_TIMEZONE": "America/New_York",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    }


def settings_of_the_contract() -> list[str]:
    """Names of all settings, from ``.env.example``."""
    text = (ROOT / ".env.example").read_text("utf-8")
    return re.findall(r"^(?:# )?([A-Z][A-Z0-9_]+)=", text, re.MULTILINE)


def _wait_for_sandbox(child: Child, ready: Path) -> Sandbox:
    deadline = time.monotonic() + 60
    while not ready.exists():
        try:
            child.check()
        except ServiceDied as error:
            raise RuntimeError("\n".join([str(error), *child.last_lines()])) from error
        if time.monotonic() > deadline:
            raise RuntimeError("\n".join(["the sandbox was not ready within 60 s", *child.last_lines()]))
        time.sleep(0.05)
    ports = json.loads(ready.read_text("utf-8"))
    return Sandbox(int(ports["ftp_port"]), int(ports["http_port"]), ports.get("sendgrid_public_key", ""))
