"""``data_ingestion_logs`` has one row per run, and the row is correct whatever happens to the run."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from county import feeds, runs
from county.errors import StagingChanged
from county.feed import Feed
from tests.county.days import FRIDAY, MONDAY, THURSDAY, Pipeline, deed
from tests.servers.postgres import Database

DAG_ID = "daily_ftp_ingestion"
RUN = "scheduled__2026-11-20"


@pytest.fixture
def daily() -> Feed:
    return feeds.feed("daily")


def rows(database: Database) -> list[tuple[Any, ...]]:
    query = "SELECT run_id, ingestion_date, status, error_message FROM data_ingestion_logs ORDER BY id"
    return database.connection.execute(query).fetchall()


def dead_letters(database: Database) -> list[tuple[Any, ...]]:
    query = "SELECT queue_name, job_name, error_message, retry_count, state FROM failed_jobs"
    return database.connection.execute(query).fetchall()


def fail(database: Database, daily: Feed, reason: str = "died", day: date | None = None) -> None:
    runs.fail_run(database.connection, daily, RUN, reason=reason, day=day)


def test_the_error_that_a_step_recorded_is_kept(database: Database, daily: Feed) -> None:
    runs.open_run(database.connection, daily, RUN, FRIDAY)
    runs.note_error(database.connection, daily, RUN, "fetch: no file")
    fail(database, daily, "the run failed")
    assert rows(database) == [(RUN, FRIDAY, "failed", "fetch: no file")]
    assert dead_letters(database) == [("daily-ftp-ingestion", DAG_ID, "fetch: no file", 0, "open")]


def test_no_password_of_an_address_gets_into_the_runs_row_or_its_dead_letter(database: Database, daily: Feed) -> None:
    error = "fetch: ftp://county:p@ss-phrase@ftp.example.com/ and postgresql://leads:hunter22@db/leads do not answer"
    masked = "fetch: ftp://county:***@ftp.example.com/ and postgresql://leads:***@db/leads do not answer"
    runs.open_run(database.connection, daily, RUN, FRIDAY)
    runs.note_error(database.connection, daily, RUN, error)
    assert rows(database) == [(RUN, FRIDAY, "running", masked)]
    fail(database, daily)
    assert [row[2] for row in dead_letters(database)] == [masked]


def test_no_password_of_an_address_gets_into_the_reason_of_a_dead_run(database: Database, daily: Feed) -> None:
    fail(database, daily, "open_run: redis://:hunter22@redis:6379/0 does not answer", FRIDAY)
    masked = "open_run: redis://:***@redis:6379/0 does not answer"
    assert rows(database) == [(RUN, FRIDAY, "failed", masked)]
    assert [row[2] for row in dead_letters(database)] == [masked]


def test_a_run_that_died_before_it_opened_its_row_gets_a_failed_row(database: Database, daily: Feed) -> None:
    fail(database, daily, "the process of open_run was killed", FRIDAY)
    assert rows(database) == [(RUN, FRIDAY, "failed", "the process of open_run was killed")]


def test_a_cleared_task_opens_the_row_again_and_success_settles_the_dead_letter(
    database: Database, daily: Feed
) -> None:
    run = runs.open_run(database.connection, daily, RUN, FRIDAY)
    runs.note_error(database.connection, daily, RUN, "merge: the first reason")
    fail(database, daily)
    runs.resume_run(database.connection, run.ingestion_id)
    assert rows(database) == [(RUN, FRIDAY, "running", None)]
    fail(database, daily, "the second reason")
    assert rows(database) == [(RUN, FRIDAY, "failed", "the second reason")]
    assert [row[2:] for row in dead_letters(database)] == [("the second reason", 1, "open")]
    runs.resume_run(database.connection, run.ingestion_id)
    runs.close_run(database.connection, run.ingestion_id)
    assert rows(database) == [(RUN, FRIDAY, "success", None)]
    assert [row[4] for row in dead_letters(database)] == ["replayed"]


def test_a_step_of_a_run_that_has_not_failed_leaves_the_row_alone(database: Database, daily: Feed) -> None:
    run = runs.open_run(database.connection, daily, RUN, FRIDAY)
    runs.note_error(database.connection, daily, RUN, "stage: another file is bad")
    runs.resume_run(database.connection, run.ingestion_id)
    assert rows(database) == [(RUN, FRIDAY, "running", "stage: another file is bad")]


def test_a_run_cleared_as_a_whole_keeps_its_one_row(database: Database, daily: Feed) -> None:
    first = runs.open_run(database.connection, daily, RUN, FRIDAY)
    fail(database, daily)
    assert runs.open_run(database.connection, daily, RUN, FRIDAY) == first
    assert rows(database) == [(RUN, FRIDAY, "running", None)]
    assert runs.open_runs(database.connection, daily) == [RUN]


def staging_parts(county: Pipeline) -> int:
    (count,) = county.one(
        "SELECT count(*) FROM pg_inherits JOIN pg_class c ON c.oid = inhparent WHERE starts_with(c.relname, 'staging')"
    )
    return int(count)


def test_staging_is_kept_as_long_as_a_run_may_need_it(county: Pipeline) -> None:
    made = deed(THURSDAY, "DOE JANE")
    county.run(FRIDAY, [made])
    parts = staging_parts(county)
    assert parts
    failed = county.run(MONDAY, [made])
    assert staging_parts(county) == parts, "the first run's staging is gone"
    county.connection.execute("UPDATE data_ingestion_logs SET status = 'failed' WHERE id = %s", (failed,))
    runs.open_run(county.connection, feeds.feed("daily"), "next", MONDAY)
    assert staging_parts(county) == parts, "somebody may clear the failed run's step"
    county.connection.execute("UPDATE data_ingestion_logs SET started_at = now() - interval '8 days'")
    runs.open_run(county.connection, feeds.feed("daily"), "the one after", MONDAY)
    assert staging_parts(county) == 0


def test_staging_rows_lost_in_a_server_crash_stop_the_next_step(county: Pipeline) -> None:
    ingestion_id = county.stage(FRIDAY, {"Cases.exp": b"", "Parties.exp": b"2026^1^1^1^D^SELLER SAM^I\r\n"})
    county.connection.execute(f"TRUNCATE staging_parties_{ingestion_id}")
    with pytest.raises(StagingChanged, match="Clear the stage tasks of this run"):
        county.finish(ingestion_id, FRIDAY)
    assert county.rows("SELECT FROM document_parties") == []
