"""What happens to a day between staging and alerts: each step is one transaction of one ``.sql`` file or two."""

from __future__ import annotations

import logging
from datetime import date
from typing import Any

import psycopg
from psycopg.rows import dict_row

from county.feeds import Feed
from county.runs import check_staging
from leads.business_days import business_days_between
from leads.sql import statement

log = logging.getLogger(__name__)

#: Merges read what others have merged before, so one runs at a time, whatever feed or date it is for.
MERGE_LOCK = "leads:merge"


def run_statements(connection: psycopg.Connection, name: str, **parameters: Any) -> dict[str, Any]:
    """Run ``sql/<name>.sql``; return the one row that its last statement gives, if any."""
    with psycopg.ClientCursor(connection, row_factory=dict_row) as cursor:
        cursor.execute(statement(f"county/{name}"), parameters or None)
        while cursor.nextset():
            pass
        row = cursor.fetchone() if cursor.description else None
    return row or {}


def _run_step(connection: psycopg.Connection, feed: Feed, step: str, ingestion_id: int, day: date) -> dict[str, Any]:
    """Runs the feed's ``.sql`` files of a step one after another; returns what they counted."""
    counts: dict[str, Any] = {}
    for name in feed.steps[step]:
        counts |= run_statements(
            connection, name, feed=feed.name, ingestion_type=feed.ingestion_type, ingestion_id=ingestion_id, day=day
        )
    return counts


def match(connection: psycopg.Connection, feed: Feed, ingestion_id: int, day: date) -> dict[str, Any]:
    """Finds a folio by address for records that name none; returns the counts ``matched`` and ``unmatched``."""
    with connection.transaction():
        check_staging(connection, feed, ingestion_id)
        return _run_step(connection, feed, "match", ingestion_id, day)


def merge(connection: psycopg.Connection, feed: Feed, ingestion_id: int, day: date) -> dict[str, Any]:
    """Brings documents or court records, and the properties, up to date with the day's files, all or nothing.

    Returns counts: of documents and parties that changed and properties ``created`` and ``updated``, or of ``records``,
    those ``matched`` to a property, and ``changed_cases``.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (MERGE_LOCK,))
        check_staging(connection, feed, ingestion_id)
        return _run_step(connection, feed, "merge", ingestion_id, day)


def make_leads(connection: psycopg.Connection, feed: Feed, ingestion_id: int, day: date) -> dict[str, Any]:
    """Makes the day's leads and closes those whose reason has ended; returns counts by type and ``closed``."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (MERGE_LOCK,))
        return _run_step(connection, feed, "make_leads", ingestion_id, day)


def write_alerts(
    connection: psycopg.Connection,
    feed: Feed,
    ingestion_id: int,
    day: date,
    *,
    today: date,
    max_age_days: int,
    notify: bool | None = None,
) -> dict[str, Any]:
    """Opens a delivery for each subscriber and new lead of the day; the notifier's sweeper rings for them.

    A day older than ``max_age_days`` business days is silent unless ``notify`` says otherwise, and so is any day when
    ``notify`` is False. Returns the counts ``leads``, ``alerts`` and ``unpaid`` (too few tokens).
    """
    wanted = business_days_between(day, today) <= max_age_days if notify is None else notify
    if not wanted:
        log.info("%s is silent: its leads are not announced", day)
        return {"leads": 0, "alerts": 0, "unpaid": 0}
    with connection.transaction():
        return run_statements(
            connection, "write_alerts", ingestion_type=feed.ingestion_type, ingestion_id=ingestion_id, day=day
        )
