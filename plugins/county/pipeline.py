"""What happens to a day between staging and alerts: each step is one transaction of one ``.sql`` file or two."""

from __future__ import annotations

import logging
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from county.feeds import Feed
from county.runs import check_staging
from leads.days import business_days_between

log = logging.getLogger(__name__)

#: Merges read what others have merged before, so one runs at a time, whatever feed or date it is for.
MERGE_LOCK = "leads:merge"


@cache
def _statements(name: str) -> str:
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text("utf-8")


def _run(connection: psycopg.Connection, name: str, **parameters: Any) -> dict[str, Any]:
    """Runs ``sql/<name>.sql``; returns the one row that its last statement gives, if any."""
    with psycopg.ClientCursor(connection, row_factory=dict_row) as cursor:
        cursor.execute(_statements(name), parameters or None)
        while cursor.nextset():
            pass
        row = cursor.fetchone() if cursor.description else None
    return row or {}


def match(connection: psycopg.Connection, feed: Feed, ingestion_id: int, day: date) -> dict[str, Any]:
    """Finds a folio by address for records that name none; returns the counts ``matched`` and ``unmatched``."""
    parameters = {"feed": feed.name, "ingestion_id": ingestion_id, "day": day}
    with connection.transaction():
        check_staging(connection, feed, ingestion_id)
        _run(connection, "match_documents", **parameters)
        _run(connection, "match_addresses")
        return _run(connection, "keep_matches", **parameters)


def merge(connection: psycopg.Connection, feed: Feed, ingestion_id: int, day: date) -> dict[str, Any]:
    """Brings documents, parties and properties up to date with the day's file, all or nothing.

    Returns the counts ``documents`` and ``parties`` that changed, and of properties ``created`` and ``updated``.
    """
    parameters = {"feed": feed.name, "ingestion_id": ingestion_id, "day": day}
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (MERGE_LOCK,))
        check_staging(connection, feed, ingestion_id)
        _run(connection, "merge_parties", **parameters)
        _run(connection, "merge_documents", **parameters)
        return _run(connection, "refresh_properties", **parameters)


def make_leads(connection: psycopg.Connection, feed: Feed, ingestion_id: int, day: date) -> dict[str, Any]:
    """Makes the day's leads and closes those whose reason has ended; returns counts by type and ``closed``."""
    parameters = {"ingestion_type": feed.ingestion_type, "ingestion_id": ingestion_id, "day": day}
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (MERGE_LOCK,))
        _run(connection, "judge_documents", **parameters)
        return _run(connection, "make_leads", **parameters) | _run(connection, "close_leads", **parameters)


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
        return _run(connection, "write_alerts", ingestion_type=feed.ingestion_type, ingestion_id=ingestion_id, day=day)
