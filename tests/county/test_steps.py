"""The run log says when each step of a run began and ended, also after retries."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from county import feeds, runs
from county.steps import end_step, start_step, timed_step
from tests.servers.postgres import Database

FRIDAY = date(2026, 11, 20)


@pytest.fixture
def run(database: Database) -> int:
    return runs.open_run(database.connection, feeds.feed("daily"), "run", FRIDAY).ingestion_id


def steps(database: Database) -> list[tuple[Any, ...]]:
    return database.connection.execute("SELECT step, started_at, ended_at FROM ingestion_steps").fetchall()


def test_a_step_begins_and_ends(database: Database, run: int) -> None:
    with timed_step(database.connection, run, "match"):
        ((step, started, ended),) = steps(database)
        assert (step, ended) == ("match", None)
    ((_, same, ended),) = steps(database)
    assert started == same <= ended


def test_a_step_that_failed_has_not_ended_and_its_retry_begins_anew(database: Database, run: int) -> None:
    with pytest.raises(ZeroDivisionError), timed_step(database.connection, run, "match"):
        raise ZeroDivisionError
    ((_, first, ended),) = steps(database)
    assert ended is None
    with timed_step(database.connection, run, "match"):
        pass
    ((_, second, ended),) = steps(database)
    assert first < second <= ended


def test_a_cleared_step_has_not_ended_until_it_ends_again(database: Database, run: int) -> None:
    with timed_step(database.connection, run, "match"):
        pass
    with timed_step(database.connection, run, "match"):
        ((_, _, ended),) = steps(database)
        assert ended is None


def test_a_step_that_looks_again_keeps_its_beginning_until_it_ends(database: Database, run: int) -> None:
    start_step(database.connection, run, "wait_for_files", resume=True)
    ((_, first, _),) = steps(database)
    start_step(database.connection, run, "wait_for_files", resume=True)
    assert steps(database) == [("wait_for_files", first, None)]
    end_step(database.connection, run, "wait_for_files")
    start_step(database.connection, run, "wait_for_files", resume=True)
    ((_, again, ended),) = steps(database)
    assert again > first
    assert ended is None


def test_a_cleared_run_forgets_its_steps(database: Database, run: int) -> None:
    with timed_step(database.connection, run, "match"):
        pass
    assert runs.open_run(database.connection, feeds.feed("daily"), "run", FRIDAY).ingestion_id == run
    assert steps(database) == []
