"""A run fails with a clear error if the database's disk is full, and can be resumed after space has been freed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import ingestion_callbacks
import ingestion_dag
import psycopg
import pytest

from county import feeds
from county.errors import DatabaseTrouble
from local.postgres import PostgresServer
from local.settings import postgres_connection
from local.system_user import open_to, server_user
from tests.county.days import FRIDAY, WRITERS, Pipeline, deed
from tests.servers.folders import service_folder

DEEDS = 3_000
LEFT = 128 << 10
"""Bytes that stay free on the full disk, so that the run can still record its error."""


@pytest.fixture
def disk() -> Iterator[Path]:
    """Mount a 96 MB file system and yield its folder. Mounting needs root."""
    with service_folder("disk") as folder:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", str(folder)], capture_output=True, check=False
        )
        if mounted.returncode:
            pytest.skip("this test must mount a file system: run it as root, in a container that may mount")
        try:
            open_to(folder / "data", server_user())
            folder.chmod(0o755)
            yield folder
        finally:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def pipeline(disk: Path, postgres_server: PostgresServer, leads_template: str) -> Iterator[Pipeline]:
    """Yield a pipeline on a leads database whose tablespace is on the small disk."""
    with psycopg.connect(postgres_server.url(), autocommit=True) as administration:
        administration.execute(f"CREATE TABLESPACE small LOCATION '{disk}/data'")
        administration.execute(f"CREATE DATABASE on_small_disk TEMPLATE {leads_template} TABLESPACE small")
        try:
            with psycopg.connect(postgres_server.url("on_small_disk"), autocommit=True) as connection:
                yield Pipeline(connection)
        finally:
            postgres_server.drop_database("on_small_disk")
            administration.execute("DROP TABLESPACE small")


def test_a_full_disk_fails_the_merge_with_a_clear_error_and_the_run_continues_later(
    pipeline: Pipeline, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [deed(FRIDAY, f"BUYER {n}", folio=f"30499{n:08}") for n in range(DEEDS)]
    files = {file.name: "\n".join(WRITERS[file.name](made)).encode() for file in feeds.feed("daily").files}
    ingestion_id = pipeline.stage(FRIDAY, files)
    (run_id,) = pipeline.one("SELECT run_id FROM data_ingestion_logs")
    monkeypatch.setenv("AIRFLOW_CONN_LEADS_DB", postgres_connection(url(pipeline)))
    run = {"feed": "daily", "ingestion_id": ingestion_id, "day": FRIDAY.isoformat()}

    fill(disk)
    with pytest.raises(DatabaseTrouble, match=r"No space left on device\. .* free space on its server's disk") as error:
        ingestion_dag.merge.function(run)
    context = {"dag": SimpleNamespace(dag_id="daily_ftp_ingestion"), "run_id": run_id}
    ingestion_callbacks.note_error({**context, "ti": SimpleNamespace(task_id="merge"), "exception": error.value})
    ingestion_callbacks.fail_run(context)
    (status, message) = pipeline.one("SELECT status, error_message FROM data_ingestion_logs")
    assert status == "failed"
    assert message == f"merge: {error.value}"
    assert pipeline.one("SELECT count(*) FROM document_versions") == (0,), "the failed step left no rows"

    (disk / "ballast").unlink()
    pipeline.finish(ingestion_id, FRIDAY)
    assert pipeline.rows("SELECT status, error_message FROM data_ingestion_logs") == [("success", None)]
    assert pipeline.one("SELECT count(*) FROM document_versions") == (DEEDS,)


def url(pipeline: Pipeline) -> str:
    info = pipeline.connection.info
    return f"postgresql://{info.user}:{info.password}@{info.host}:{info.port}/{info.dbname}"


def fill(disk: Path) -> None:
    facts = os.statvfs(disk)
    with (disk / "ballast").open("wb") as ballast:
        ballast.write(bytes(facts.f_bavail * facts.f_frsize - LEFT))
