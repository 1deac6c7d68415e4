"""A worker alerts on-call when Airflow has stopped."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from notifier.maintenance.airflow_watchdog import alert_when_quiet
from tests.notifier.system import System
from tests.servers.postgres import Database


@pytest.fixture(autouse=True)
def leads_database(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", database.url)


def last_row(database: Database, minutes: int) -> None:
    database.connection.execute("DELETE FROM queue_metrics")
    database.connection.execute(
        "INSERT INTO queue_metrics (queue_name, recorded_at) VALUES ('x', now() - make_interval(mins => %s))",
        (minutes,),
    )


def ago(minutes: int) -> datetime:
    return datetime.now(UTC) - timedelta(minutes=minutes)


def alerts(database: Database) -> list[tuple[object, ...]]:
    return database.connection.execute(
        "SELECT severity, subject, closed_at IS NULL FROM oncall_alerts ORDER BY id"
    ).fetchall()


def test_on_call_is_alerted_after_15_minutes_without_a_row_and_of_the_recovery(database: Database) -> None:
    last_row(database, 14)
    assert not alert_when_quiet(database.connection, since=ago(0))
    assert alerts(database) == []
    last_row(database, 16)
    assert alert_when_quiet(database.connection, since=ago(0))
    assert alerts(database) == [("critical", "Airflow has gone quiet", True)]
    last_row(database, 0)
    assert not alert_when_quiet(database.connection, since=ago(0))
    assert alerts(database) == [("critical", "Airflow has gone quiet", False)]


def test_a_system_without_any_row_is_given_15_minutes(database: Database) -> None:
    assert not alert_when_quiet(database.connection, since=ago(10))
    assert alert_when_quiet(database.connection, since=ago(20))


def test_a_worker_watches_airflow(system: System) -> None:
    system.database.connection.execute(
        "INSERT INTO queue_metrics (queue_name, recorded_at) VALUES ('x', now() - interval '20 minutes')"
    )
    system.start_worker()
    system.wait_until(lambda: system.received("oncall"), "on-call hears that Airflow is quiet")
    assert "Airflow has gone quiet" in str(system.received("oncall")[0]["body"])
