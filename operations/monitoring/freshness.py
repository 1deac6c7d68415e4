"""What should be there and is not: runs that never started, ends that nobody wrote, feeds that bring nothing new."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import partial

import psycopg
from psycopg.rows import dict_row

from county import feeds, runs
from county.feeds import PARCEL_ROLL
from leads.alert import alert, recovered
from leads.business_days import business_days_between, local_day
from leads.sql import statement
from operations.monitoring.schedules import FEEDS, Schedule

#: A run that has not opened its row by then never started.
GRACE = timedelta(minutes=30)
#: How far back missed runs are looked for: a week, and for the slower feeds their last slot.
LOOK_BACK = timedelta(days=7)
LONGEST_MONTH = timedelta(days=31)


def watch_feeds(connection: psycopg.Connection, *, now: datetime) -> dict[str, list[str]]:
    """Tells on-call of runs that should have been and of stale feeds, and of those that have come right again.

    Compares the schedules with ``data_ingestion_logs``. Holidays count: their runs start too, and are skipped. An
    Airflow that has just come up is given time to start what it missed. Returns the missing dates by DAG id, and under
    ``stale`` the ids of DAGs without fresh data.
    """
    found: dict[str, list[str]] = {"stale": []}
    if _has_just_come_up(connection, now):
        return found
    for dag_id, schedule in FEEDS.items():
        with connection.cursor(row_factory=dict_row) as cursor:
            history = cursor.execute(
                statement("operations/monitoring/feed_history"), {"ingestion_type": schedule.ingestion_type}
            ).fetchone()
        assert history is not None
        missing = missing_days(schedule, history["days"] or [], history["first_day"], now)
        found[dag_id] = [day.isoformat() for day in missing]
        _tell_missing(connection, schedule, missing)
        newest = history["newest_data"] or history["first_day"]
        if newest is not None and _is_stale(schedule, newest, local_day(now)):
            found["stale"].append(dag_id)
            _tell_stale(connection, schedule, history["newest_data"])
        else:
            recovered(f"{dag_id} has data of {newest}.", cause=f"stale:{dag_id}", connection=connection)
    return found


def _has_just_come_up(connection: psycopg.Connection, now: datetime) -> bool:
    row = connection.execute(statement("operations/monitoring/airflow_came_up"), {"now": now}).fetchone()
    if row is not None and row[0] is not None:
        return bool(now - row[0] < GRACE)
    return connection.execute("SELECT 1 FROM data_ingestion_logs LIMIT 1").fetchone() is None


def end_abandoned_runs(
    connection: psycopg.Connection, state_of: Callable[[str, str], str | None]
) -> dict[str, list[str]]:
    """Ends the rows of ``data_ingestion_logs`` whose run nobody could write the end of; returns run ids by DAG id.

    ``state_of(dag_id, run_id)`` is what Airflow says of a run (``county.runs.end_abandoned``).
    """
    ended: dict[str, list[str]] = {}
    for dag_id in (*FEEDS, PARCEL_ROLL.ingestion_type):
        feed = feeds.feed(dag_id.removesuffix("_ftp_ingestion"))
        if found := runs.end_abandoned(connection, feed, dag_id=dag_id, state_of=partial(state_of, dag_id)):
            ended[dag_id] = found
    return ended


def missing_days(schedule: Schedule, seen: list[date], first_day: date | None, now: datetime) -> list[date]:
    """The dates of a feed that are due and have no run: of the last week, and the last one however long ago.

    Dates before the feed's first run ever (``first_day``) are not asked for, except the last.
    """
    due = schedule.days_due(local_day(now) - LONGEST_MONTH, now - GRACE)
    recent = [d for d in due if d >= local_day(now) - LOOK_BACK and first_day is not None and d >= first_day]
    return sorted({*recent, *due[-1:]} - set(seen))


def _is_stale(schedule: Schedule, newest: date, today: date) -> bool:
    age = business_days_between(newest, today) if schedule.dag_id == "daily_ftp_ingestion" else (today - newest).days
    return age > schedule.stale_days


def _tell_missing(connection: psycopg.Connection, schedule: Schedule, missing: list[date]) -> None:
    cause = f"missing:{schedule.dag_id}"
    if not missing:
        recovered(f"Every run of {schedule.dag_id} that is due has started.", cause=cause, connection=connection)
        return
    days = ", ".join(day.isoformat() for day in missing)
    alert(
        "critical",
        f"{schedule.dag_id} never started for {days}",
        f"{schedule.dag_id} is due at {schedule.at:%H:%M} New York; data_ingestion_logs has no row of these dates.",
        "Look whether the DAG is paused or cannot be imported and whether scheduler and dag-processor run. Then "
        f"airflow backfill create --dag-id {schedule.dag_id} --from-date {missing[0]} "
        f"--to-date {missing[-1] + timedelta(days=1)} --max-active-runs 1",
        cause=cause,
        connection=connection,
    )


def _tell_stale(connection: psycopg.Connection, schedule: Schedule, newest: date | None) -> None:
    alert(
        "warning",
        f"{schedule.dag_id} brings no fresh data",
        f"The newest date with data is {newest or 'none yet'}.",
        "Look at error_message and warnings in data_ingestion_logs and at the county's server: do its files still "
        "come, under the same names and with records in them?",
        cause=f"stale:{schedule.dag_id}",
        connection=connection,
    )
