"""The complete daily DAG works with ``airflow dags test daily_ftp_ingestion <date>``."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from local.settings import Sandbox
from tests.dags.conftest import RunAirflow, conf
from tests.servers.object_storage import ObjectStorage
from tests.servers.postgres import Database

DAG_ID = "daily_ftp_ingestion"


def log_rows(database: Database) -> list[tuple[object, ...]]:
    return database.connection.execute(
        "SELECT ingestion_type, ingestion_date, status, records_processed > 900, new_leads_generated > 10"
        " FROM data_ingestion_logs ORDER BY id"
    ).fetchall()


def ended_steps(database: Database) -> set[str]:
    query = "SELECT step FROM ingestion_steps WHERE ended_at >= started_at"
    return {step for (step,) in database.connection.execute(query)}


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("daily_format", "archive"), [("cases_parties", "file"), ("official_records", "gs")])
def test_a_day_becomes_leads_and_a_second_run_changes_nothing(
    airflow: RunAirflow,
    database: Database,
    tmp_path: Path,
    object_storage: ObjectStorage,
    daily_format: str,
    archive: str,
) -> None:
    day = date(2026, 11, 20)
    chosen = {"MIAMI_DADE_DAILY_FORMAT": daily_format} | (object_storage.environment if archive == "gs" else {})
    first = airflow("dags", "test", DAG_ID, day.isoformat(), **chosen)
    assert first.returncode == 0, first.stderr[-4000:]
    assert "file_staged" in first.stdout and "object_name=" in first.stdout, (
        "the task's log contains events and their fields"
    )
    assert log_rows(database) == [("daily_ftp", day, "success", True, True)]
    assert {"wait_for_files", "match", "merge", "make_leads", "write_alerts"} < ended_steps(database)
    names = (
        object_storage.objects() if archive == "gs" else [str(path) for path in (tmp_path / "archive").glob("*/*/*")]
    )
    assert [name for name in names if "daily/2026-11-20/" in name]
    counts = "SELECT (SELECT count(*) FROM leads), (SELECT count(*) FROM document_versions), max(ctid) FROM properties"
    before = database.connection.execute(counts).fetchone()
    second = airflow("dags", "test", DAG_ID, "2026-11-21", *conf(business_date="2026-11-20"), **chosen)
    assert second.returncode == 0, second.stderr[-4000:]
    assert database.connection.execute(counts).fetchone() == before
    assert [row[1:3] for row in log_rows(database)] == [(day, "success"), (day, "success")]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("sunday", ["2026-03-08", "2026-11-01"])
def test_on_days_when_the_clocks_change_a_run_has_the_right_date(
    airflow: RunAirflow, database: Database, sunday: str
) -> None:
    """The county publishes nothing on these two Sundays, so the run is skipped.

    The skipped run still has the right date.
    """
    result = airflow("dags", "test", DAG_ID, sunday)
    assert result.returncode == 0, result.stderr[-4000:]
    rows = database.connection.execute("SELECT ingestion_date, status FROM data_ingestion_logs").fetchall()
    assert rows == [(date.fromisoformat(sunday), "skipped")]


@pytest.mark.timeout(600)
def test_a_day_without_files_fails_with_the_reason(airflow: RunAirflow, database: Database, sandbox: Sandbox) -> None:
    result = airflow("dags", "test", DAG_ID, "2025-02-03")
    assert "Cases.exp and Parties.exp for 2025-02-03: not in the archive" in result.stdout + result.stderr
    ((status, error),) = database.connection.execute("SELECT status, error_message FROM data_ingestion_logs").fetchall()
    assert error.startswith("wait_for_files: Cases.exp and Parties.exp for 2025-02-03")
    assert status in ("running", "failed")
    assert database.connection.execute("SELECT count(*) FROM properties").fetchone() == (0,)
