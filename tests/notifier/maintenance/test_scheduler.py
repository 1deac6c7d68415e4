"""Each periodic task runs at its own interval. A periodic task that fails or hangs does not delay the other tasks."""

from __future__ import annotations

import time
from threading import Event
from typing import Any

import psycopg
import pytest
from structlog.testing import capture_logs

from notifier.maintenance.leader import LEADER_LOCK
from notifier.maintenance.scheduler import PeriodicTask, Scheduler
from notifier.maintenance.tasks import PERIODIC_TASKS
from tests.servers.postgres import Database


@pytest.fixture(autouse=True)
def leads_database(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", database.url)


def test_a_task_runs_at_its_interval(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[str] = []
    tasks = [
        PeriodicTask("always", lambda _: runs.append("always")),
        PeriodicTask("hourly", lambda _: runs.append("hourly"), 3600),
        PeriodicTask("scaled", lambda _: runs.append("scaled"), 3600, is_scaled=True),
    ]
    monkeypatch.setenv("NOTIFIER_TIME_SCALE", "0.00001")
    scheduler = Scheduler(tasks)
    for _ in range(2):
        scheduler.run_due(database.connection)
        time.sleep(0.05)
    assert runs == ["always", "hourly", "scaled", "always", "scaled"]


def test_a_task_that_fails_is_logged_and_the_next_one_runs(database: Database) -> None:
    runs: list[str] = []
    failing = PeriodicTask("failing", lambda connection: connection.execute("SELECT 'Jane Roe' / 0"))
    scheduler = Scheduler([failing, PeriodicTask("next", lambda _: runs.append("next"))])
    with capture_logs() as events:
        scheduler.run_due(database.connection)
    assert runs == ["next"]
    assert [(event["event"], event["task"]) for event in events] == [("periodic_task_failed", "failing")]
    assert "Jane Roe" not in str(events)


def test_a_lost_connection_is_raised(database: Database) -> None:
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.close()
        with pytest.raises(psycopg.OperationalError):
            Scheduler([PeriodicTask("any", lambda lost: lost.execute("SELECT 1"))]).run_due(connection)


def test_a_task_with_its_own_thread_delays_no_other_and_never_overlaps_itself(database: Database) -> None:
    started: list[psycopg.Connection[Any]] = []
    end = Event()

    def hang(connection: psycopg.Connection[Any]) -> None:
        started.append(connection)
        end.wait(30)

    scheduler = Scheduler([PeriodicTask("hanging", hang, has_own_thread=True)])
    try:
        began = time.monotonic()
        for _ in range(3):
            scheduler.run_due(database.connection)
        assert time.monotonic() - began < 5
        deadline = time.monotonic() + 10
        while not started and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(started) == 1
        assert started[0] is not database.connection
    finally:
        end.set()


def test_workers_of_the_previous_release_are_excluded_by_the_same_lock() -> None:
    assert LEADER_LOCK == "notifier:sweeper"


def test_the_tasks_have_unique_names() -> None:
    assert len({task.name for task in PERIODIC_TASKS}) == len(PERIODIC_TASKS)
