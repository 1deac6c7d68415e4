"""Watches the feeds: runs that never started, abandoned runs, and feeds without new data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial

import psycopg
from psycopg.rows import class_row

from county import runs
from county.feed import Feed, Period
from county.feeds import FEEDS
from leads.alert import alert, recovered
from leads.business_days import business_days_between
from leads.clock import NEW_YORK, local_day
from leads.sql import statement

#: A run counts as never started if it has no row this long after its slot.
GRACE = timedelta(minutes=30)
#: How far back to search for missed runs. A feed's last slot is always checked, no matter how old it is.
LOOK_BACK = timedelta(days=7)
LONGEST_MONTH = timedelta(days=31)


@dataclass(frozen=True)
class History:
    """A feed's dates in ``data_ingestion_logs``: all dates with a run, the first of these, and the latest with data."""

    days: list[date] | None
    first_day: date | None
    newest_data: date | None


def watch_feeds(connection: psycopg.Connection, *, now: datetime) -> dict[str, list[str]]:
    """Alert on-call about runs that never started and about stale feeds, and report when a feed has recovered.

    Compares the schedules with ``data_ingestion_logs``. A run is also expected on a holiday: the run starts and is
    skipped. If Airflow has just started, nothing is reported, because Airflow must first have time to start the missed
    runs. Return the missing dates by DAG id, and under ``stale`` the ids of DAGs without fresh data.
    """
    found: dict[str, list[str]] = {"stale": []}
    if _has_just_come_up(connection, now):
        return found
    for feed in FEEDS:
        if feed.stale_days is None:
            continue
        history = _history(connection, feed)
        missing = missing_days(feed, history.days or [], history.first_day, now)
        found[feed.dag_id] = [day.isoformat() for day in missing]
        _alert_of_missing(connection, feed, missing)
        newest = history.newest_data or history.first_day
        if newest is not None and _age_days(feed, newest, local_day(now)) > feed.stale_days:
            found["stale"].append(feed.dag_id)
            _alert_of_stale(connection, feed, history.newest_data)
        else:
            recovered(f"{feed.dag_id} has data of {newest}.", cause=f"stale:{feed.dag_id}", connection=connection)
    return found


def _history(connection: psycopg.Connection, feed: Feed) -> History:
    with connection.cursor(row_factory=class_row(History)) as cursor:
        parameters = {"ingestion_type": feed.ingestion_type}
        history = cursor.execute(statement("operations/monitoring/feed_history"), parameters).fetchone()
    assert history is not None
    return history


def _has_just_come_up(connection: psycopg.Connection, now: datetime) -> bool:
    row = connection.execute(statement("operations/monitoring/airflow_came_up"), {"now": now}).fetchone()
    if row is not None and row[0] is not None:
        return bool(now - row[0] < GRACE)
    return connection.execute("SELECT 1 FROM data_ingestion_logs LIMIT 1").fetchone() is None


def end_abandoned_runs(
    connection: psycopg.Connection, state_of: Callable[[str, str], str | None]
) -> dict[str, list[str]]:
    """Mark a run's row as failed if the run ended in Airflow without updating the row; return the run ids by DAG id.

    ``state_of(dag_id, run_id)`` returns a run's state in Airflow (see ``county.runs.end_abandoned``).
    """
    ended: dict[str, list[str]] = {}
    for feed in FEEDS:
        if found := runs.end_abandoned(connection, feed, state_of=partial(state_of, feed.dag_id)):
            ended[feed.dag_id] = found
    return ended


def missing_days(feed: Feed, seen: list[date], first_day: date | None, now: datetime) -> list[date]:
    """Return the feed's due dates in the last week that have no run, and the latest due date if it has no run.

    Dates before the feed's first run (``first_day``) are left out, except for the latest due date.
    """
    slots = feed.slots(local_day(now) - LONGEST_MONTH, now - GRACE)
    due = [local_day(slot) for slot in slots]
    recent = [d for d in due if d >= local_day(now) - LOOK_BACK and first_day is not None and d >= first_day]
    return sorted({*recent, *due[-1:]} - set(seen))


def _age_days(feed: Feed, newest: date, today: date) -> int:
    return business_days_between(newest, today) if feed.period is Period.BUSINESS_DAY else (today - newest).days


def _alert_of_missing(connection: psycopg.Connection, feed: Feed, missing: list[date]) -> None:
    cause = f"missing:{feed.dag_id}"
    if not missing:
        recovered(f"Every run of {feed.dag_id} that is due has started.", cause=cause, connection=connection)
        return
    days = ", ".join(day.isoformat() for day in missing)
    (due, *_) = feed.slots(
        missing[-1], datetime.combine(missing[-1] + timedelta(days=1), datetime.min.time(), NEW_YORK)
    )
    alert(
        "critical",
        f"{feed.dag_id} never started for {days}",
        f"{feed.dag_id} is due at {due:%H:%M} New York; data_ingestion_logs has no row for these dates.",
        "Check whether the DAG is paused or has an import error, and whether the scheduler and the dag-processor run. "
        f"Then airflow backfill create --dag-id {feed.dag_id} --from-date {missing[0]} "
        f"--to-date {missing[-1] + timedelta(days=1)} --max-active-runs 1",
        cause=cause,
        connection=connection,
    )


def _alert_of_stale(connection: psycopg.Connection, feed: Feed, newest: date | None) -> None:
    alert(
        "warning",
        f"{feed.dag_id} brings no fresh data",
        f"The latest date with data is {newest or 'none yet'}.",
        "Check error_message and warnings in data_ingestion_logs, then the county's server: does it still publish the "
        "files, under the same names and with records in them?",
        cause=f"stale:{feed.dag_id}",
        connection=connection,
    )
