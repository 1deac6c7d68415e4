"""The steps of a run between staging and alerts. Each is one transaction; its ``.sql`` files say how."""

from __future__ import annotations

from datetime import date
from typing import Any

import psycopg
from psycopg.rows import dict_row

from county.runs import Run, check_staging
from leads.business_days import business_days_between
from leads.logs import get_logger
from leads.sql import statement

log = get_logger(__name__)

#: A merge reads what earlier merges have written, so one runs at a time, for any feed and date.
MERGE_LOCK = "leads:merge"

Counts = dict[str, int]


def run_statements(connection: psycopg.Connection, name: str, **parameters: Any) -> Counts:
    """Run ``sql/<name>.sql``; return the one row that its last statement gives, if any."""
    with psycopg.ClientCursor(connection, row_factory=dict_row) as cursor:
        cursor.execute(statement(f"county/{name}"), parameters or None)
        while cursor.nextset():
            pass
        row = cursor.fetchone() if cursor.description else None
    return row or {}


def _run_step(connection: psycopg.Connection, run: Run, step: str) -> Counts:
    """Run the ``.sql`` files of a step one after another; return what they counted."""
    counts: Counts = {}
    for name in run.feed.steps[step]:
        counts |= run_statements(
            connection,
            name,
            feed=run.feed.name,
            ingestion_type=run.feed.ingestion_type,
            ingestion_id=run.ingestion_id,
            day=run.day,
        )
    return counts


def match(connection: psycopg.Connection, run: Run) -> Counts:
    """Find a folio by address for records that name none; return the counts ``matched`` and ``unmatched``."""
    with connection.transaction():
        check_staging(connection, run)
        return _run_step(connection, run, "match")


def merge(connection: psycopg.Connection, run: Run) -> Counts:
    """Bring documents or court records, and the properties, up to date with the run's files, all or nothing.

    Return counts: of documents and parties that changed and properties ``created`` and ``updated``, or of ``records``,
    those ``matched`` to a property, and ``changed_cases``.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (MERGE_LOCK,))
        check_staging(connection, run)
        return _run_step(connection, run, "merge")


def make_leads(connection: psycopg.Connection, run: Run) -> Counts:
    """Make the day's leads and close those whose reason has ended; return counts by lead type and ``closed``."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (MERGE_LOCK,))
        return _run_step(connection, run, "make_leads")


def write_alerts(
    connection: psycopg.Connection, run: Run, *, today: date, max_age_days: int, notify: bool | None = None
) -> Counts:
    """Enqueue a delivery for each subscriber and new lead of the day; the notifier sends them.

    The leads of a day older than ``max_age_days`` business days are not announced, unless ``notify`` is True; with
    ``notify`` False, those of no day are. Return the counts ``leads``, ``alerts`` and ``unpaid`` (too few tokens).
    """
    announces = business_days_between(run.day, today) <= max_age_days if notify is None else notify
    if not announces:
        log.info("leads_not_announced", business_date=run.day.isoformat())
        return {"leads": 0, "alerts": 0, "unpaid": 0}
    with connection.transaction():
        return run_statements(
            connection,
            "write_alerts",
            ingestion_type=run.feed.ingestion_type,
            ingestion_id=run.ingestion_id,
            day=run.day,
        )
