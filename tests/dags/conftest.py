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
from tests.servers.postgres import Database

RunAirflow = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def airflow_environment(
    postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """What an ``airflow`` command needs: its own migrated database (about 8 s to make) and this project's DAGs."""
    postgres_server.ensure_database("airflow")
    variables = airflow_folders(tmp_path_factory.mktemp("airflow")) | {
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": postgres_server.url("airflow").replace("://", "+psycopg2://", 1),
        "INGESTION_RETRIES": "0",
    }
    command = [sys.executable, "-m", "local.airflow_metadata"]
    subprocess.run(command, check=True, env=os.environ | variables, cwd=ROOT, timeout=120)
    yield variables
    postgres_server.drop_database("airflow")


@pytest.fixture
def airflow(airflow_environment: dict[str, str], database: Database, sandbox: Sandbox, tmp_path: Path) -> RunAirflow:
    """Runs one ``airflow`` command against the test's own leads database and archive, and the sandbox's FTP server."""
    variables = airflow_environment | {
        "AIRFLOW_CONN_LEADS_DB": postgres_connection(database.url),
        "AIRFLOW_CONN_MIAMI_DADE_FTP": ftp_connection(sandbox),
        "ARCHIVE_URL": (tmp_path / "archive").as_uri(),
    }

    def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).parent / "airflow"), *arguments]
        environment = os.environ | variables | more
        return subprocess.run(
            command, check=False, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=240
        )

    return run


def conf(**values: object) -> tuple[str, str]:
    return "--conf", json.dumps(values)
