from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local.paths import ROOT
from local.postgres import PostgresServer
from local.settings import Sandbox, ftp_connection, postgres_connection
from tests.servers.airflow import airflow_folders
from tests.servers.airflow_commands import AirflowCommands, running_airflow_commands
from tests.servers.postgres import Database

RunAirflow = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def airflow_environment(
    postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """Yield the environment for ``airflow`` commands, with a metadata database and this project's DAGs."""
    postgres_server.ensure_database("airflow")
    yield airflow_folders(tmp_path_factory.mktemp("airflow")) | {
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": postgres_server.url("airflow").replace("://", "+psycopg2://", 1),
        "INGESTION_RETRIES": "0",
    }
    postgres_server.drop_database("airflow")


@pytest.fixture(scope="session")
def airflow_commands(
    airflow_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AirflowCommands]:
    """Yield a process that runs ``airflow`` commands and has a migrated metadata database."""
    environment = os.environ | airflow_environment
    with running_airflow_commands(environment) as running:
        migrate = [ROOT / "local" / "airflow_metadata.py"]
        folder = tmp_path_factory.mktemp("airflow-metadata")
        done = running.run(migrate, environment=environment, folder=folder, timeout=120)
        assert done.returncode == 0, done.stderr
        yield running


@pytest.fixture
def airflow(
    airflow_environment: dict[str, str],
    airflow_commands: AirflowCommands,
    database: Database,
    sandbox: Sandbox,
    tmp_path: Path,
) -> RunAirflow:
    """Return a function that runs an ``airflow`` command with this test's database, archive and sandbox."""
    variables = airflow_environment | {
        "AIRFLOW_CONN_LEADS_DB": postgres_connection(database.url),
        "AIRFLOW_CONN_MIAMI_DADE_FTP": ftp_connection(sandbox),
        "ARCHIVE_URL": (tmp_path / "archive").as_uri(),
    }

    def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | variables | more
        command: list[str | Path] = [Path(sys.executable).with_name("airflow"), *arguments]
        return airflow_commands.run(command, environment=environment, folder=tmp_path, timeout=240)

    return run


def conf(**values: object) -> tuple[str, str]:
    return "--conf", json.dumps(values)
