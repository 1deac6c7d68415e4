from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from county.archive import Archive, open_archive
from tests.county.days import Pipeline
from tests.servers.ftp import PASSWORD, USER, CountyServer, running_ftp_server
from tests.servers.postgres import Database


@pytest.fixture
def county(database: Database) -> Pipeline:
    """Return a pipeline that reads Cases.exp and Parties.exp into an empty leads database."""
    return Pipeline(database.connection)


@pytest.fixture
def clerk(database: Database, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    """Return a pipeline that reads the Clerk's own 42-column file into an empty leads database."""
    monkeypatch.setenv("MIAMI_DADE_DAILY_FORMAT", "official_records")
    return Pipeline(database.connection)


@pytest.fixture(params=["cases_parties", "official_records"])
def either(request: pytest.FixtureRequest, database: Database, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    """Return a pipeline on an empty leads database. Each test runs once for each format of the daily files."""
    monkeypatch.setenv("MIAMI_DADE_DAILY_FORMAT", request.param)
    return Pipeline(database.connection)


@pytest.fixture(params=["file", "gs"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Archive:
    """Return an empty archive. Each test runs once with a folder and once with a bucket."""
    if request.param == "file":
        return open_archive((tmp_path / "archive").as_uri())
    return open_archive(request.getfixturevalue("object_storage").environment["ARCHIVE_URL"])


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CountyServer]:
    """Start an empty FTP server, point Airflow's connection ``miami_dade_ftp`` to it, and yield the server."""
    folder = tmp_path / "ftp"
    folder.mkdir()
    with running_ftp_server(folder) as running:
        connect_to(monkeypatch, port=running.port)
        yield running


def connect_to(
    monkeypatch: pytest.MonkeyPatch, *, port: int, user: str = USER, password: str = PASSWORD, **extra: object
) -> None:
    """Make Airflow's connection ``miami_dade_ftp`` point to a server on this machine."""
    connection = {"conn_type": "ftp", "host": "127.0.0.1", "port": port, "login": user, "password": password}
    monkeypatch.setenv("AIRFLOW_CONN_MIAMI_DADE_FTP", json.dumps(connection | {"extra": extra}))
