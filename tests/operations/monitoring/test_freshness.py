"""On-call gets one alert if a run never started or a feed has no fresh data, and one alert after the recovery."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from leads.clock import NEW_YORK
from operations.monitoring.freshness import watch_feeds
from tests.rows import Rows
from tests.servers.mailbox import Mailbox

#: NOON is on a Tuesday. The latest weekly run is for Monday the 23rd.
NOON = datetime(2026, 11, 24, 12, tzinfo=NEW_YORK)
DAILY, WEEKLY, MONTHLY = "daily_ftp_ingestion", "weekly_ftp_ingestion", "monthly_ftp_ingestion"


def run(rows: Rows, feed: str, day: str, *, status: str = "success", records: int = 100) -> int:
    return rows.insert(
        "data_ingestion_logs",
        ingestion_type=feed,
        ingestion_date=date.fromisoformat(day),
        run_id=f"{feed}-{day}-{rows.one('SELECT count(*) FROM data_ingestion_logs')}",
        status=status,
        records_processed=records,
    )


@pytest.fixture
def all_is_well(rows: Rows) -> Rows:
    """Insert the log rows of all runs in the last two weeks."""
    for n in range(15):
        day = NOON.date() - timedelta(days=n)
        if day.weekday() < 5:
            run(rows, "daily_ftp", day.isoformat())
    for day_of_week in ("2026-11-16", "2026-11-23"):
        run(rows, "weekly_ftp", day_of_week)
    run(rows, "monthly_ftp", "2026-11-01")
    return rows


def forget(rows: Rows, feed: str, *days: str) -> None:
    rows.database.connection.execute(
        "DELETE FROM data_ingestion_logs WHERE ingestion_type = %s AND ingestion_date = ANY (%s::date[])",
        (feed, list(days)),
    )


def watch(rows: Rows, now: datetime = NOON) -> dict[str, list[str]]:
    return watch_feeds(rows.database.connection, now=now)


def test_no_alert_is_sent_while_all_is_well(all_is_well: Rows, mailbox: Mailbox) -> None:
    assert watch(all_is_well) == {DAILY: [], WEEKLY: [], MONTHLY: [], "stale": []}
    assert mailbox.mails == []


def test_a_run_that_never_started_is_reported_once_with_the_command_to_start_it(
    all_is_well: Rows, mailbox: Mailbox
) -> None:
    forget(all_is_well, "daily_ftp", "2026-11-23", "2026-11-24")
    forget(all_is_well, "weekly_ftp", "2026-11-23")
    found = watch(all_is_well)
    assert (found[DAILY], found[WEEKLY]) == (["2026-11-23", "2026-11-24"], ["2026-11-23"])
    watch(all_is_well)
    assert len(mailbox.mails) == 2
    text = all_is_well.one("SELECT message FROM oncall_alerts WHERE subject LIKE %(dag)s", dag=f"{DAILY}%")
    assert f"--dag-id {DAILY} --from-date 2026-11-23 --to-date 2026-11-25" in text
    run(all_is_well, "daily_ftp", "2026-11-23")
    run(all_is_well, "daily_ftp", "2026-11-24", status="failed")
    assert watch(all_is_well)[DAILY] == []
    assert len(mailbox.mails) == 3
    assert mailbox.subjects()[-1].startswith(f"[info] recovered: {DAILY} never started")


@pytest.mark.parametrize(("at", "missing"), [("06:20", []), ("06:40", ["2026-11-24"])])
def test_a_run_counts_as_missing_after_half_an_hour(all_is_well: Rows, at: str, missing: list[str]) -> None:
    forget(all_is_well, "daily_ftp", "2026-11-24")
    hour, minute = map(int, at.split(":"))
    assert watch(all_is_well, NOON.replace(hour=hour, minute=minute))[DAILY] == missing


@pytest.mark.parametrize("sunday", ["2026-03-08", "2026-11-01"])
def test_on_monday_after_the_clocks_change_the_run_is_due_at_six(rows: Rows, sunday: str) -> None:
    monday = date.fromisoformat(sunday) + timedelta(days=1)
    run(rows, "daily_ftp", (monday - timedelta(days=3)).isoformat())
    six = datetime(monday.year, monday.month, monday.day, 6, tzinfo=NEW_YORK)
    assert watch(rows, six + timedelta(minutes=29))[DAILY] == []
    assert watch(rows, six + timedelta(minutes=31))[DAILY] == [monday.isoformat()]


def test_a_run_that_died_without_a_business_date_counts_as_started(all_is_well: Rows) -> None:
    forget(all_is_well, "daily_ftp", "2026-11-24")
    all_is_well.insert("data_ingestion_logs", ingestion_type="daily_ftp", run_id="x", status="failed", started_at=NOON)
    assert watch(all_is_well)[DAILY] == []


def test_holidays_have_runs_and_weekends_have_none(all_is_well: Rows) -> None:
    thanksgiving = datetime(2026, 11, 26, 12, tzinfo=NEW_YORK)
    run(all_is_well, "daily_ftp", "2026-11-25")
    assert watch(all_is_well, thanksgiving)[DAILY] == ["2026-11-26"]
    run(all_is_well, "daily_ftp", "2026-11-26", status="skipped", records=0)
    run(all_is_well, "daily_ftp", "2026-11-27")
    assert watch(all_is_well, datetime(2026, 11, 29, 12, tzinfo=NEW_YORK))[DAILY] == []


def test_a_missing_monthly_run_is_reported_even_weeks_later(all_is_well: Rows) -> None:
    forget(all_is_well, "monthly_ftp", "2026-11-01")
    assert watch(all_is_well)[MONTHLY] == ["2026-11-01"]


def test_a_stale_feed_and_its_recovery_are_reported(all_is_well: Rows, mailbox: Mailbox) -> None:
    all_is_well.database.connection.execute(
        "UPDATE data_ingestion_logs SET status = 'failed'"
        " WHERE ingestion_type = 'daily_ftp' AND ingestion_date > '2026-11-19'"
    )
    assert watch(all_is_well)["stale"] == [DAILY]
    watch(all_is_well)
    assert mailbox.subjects() == [f"[warning] {DAILY} brings no fresh data"]
    assert "2026-11-19" in mailbox.text()
    run(all_is_well, "daily_ftp", "2026-11-24")
    assert watch(all_is_well)["stale"] == []
    assert mailbox.subjects()[-1].startswith("[info] recovered")


def test_runs_without_records_are_not_fresh_data(all_is_well: Rows) -> None:
    all_is_well.database.connection.execute(
        "UPDATE data_ingestion_logs SET records_processed = 0"
        " WHERE ingestion_type = 'weekly_ftp' AND ingestion_date > '2026-11-09'"
    )
    assert watch(all_is_well, NOON + timedelta(days=2))["stale"] == [WEEKLY]


def test_airflow_gets_time_to_catch_up_after_its_start(all_is_well: Rows) -> None:
    forget(all_is_well, "daily_ftp", "2026-11-24")
    for minutes in (300, 305, 2):
        all_is_well.insert("queue_metrics", queue_name="x", recorded_at=NOON - timedelta(minutes=minutes))
    assert watch(all_is_well) == {"stale": []}
    assert watch(all_is_well, NOON + timedelta(minutes=29))[DAILY] == ["2026-11-24"]


def test_a_system_that_has_never_run_anything_is_not_late(rows: Rows) -> None:
    assert watch(rows) == {"stale": []}
