"""The steps of a run from match to write_alerts. Each step runs its ``.sql`` files in one transaction."""

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

#: A merge reads the results of earlier merges, so only one merge runs at a time, across all feeds and dates.
MERGE_LOCK = "leads:merge"

Counts = dict[str, int]


def run_statements(connection: psycopg.Connection, name: str, **parameters: Any) -> Counts:
    """Run ``sql/<name>.sql``; return the row that its last statement returns, or an empty dict."""
    with psycopg.ClientCursor(connection, row_factory=dict_row) as cursor:
        cursor.execute(statement(f"county/{name}"), parameters or None)
        while cursor.nextset():
            pass
        row = cursor.fetchone() if cursor.description else None
    return row or {}


def run_step(connection: psycopg.Connection, run: Run, step: str) -> Counts:
    """Run the ``.sql`` files of a step one after another; return the counts of all files."""
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
    """Match records without a folio to properties by address; return the counts ``matched`` and ``unmatched``."""
    with connection.transaction():
        check_staging(connection, run)
        return run_step(connection, run, "match")


def merge(connection: psycopg.Connection, run: Run) -> Counts:
    """Bring documents, court records or properties up to date with the run's files, in one transaction.

    For the daily feed, return the counts of changed ``documents`` and ``parties``, and of the properties
    ``created`` and ``updated``. For a court feed, return the counts of ``records``, of records ``matched`` to a
    property, and of ``changed_cases``. For the parcel roll, return the counts of the properties ``created`` and
    ``updated``, and of ``leads_revalued``.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (MERGE_LOCK,))
        check_staging(connection, run)
        if _follows_an_undone_decision(connection, run):
            log.info("matched_again", reason="an operator has undone a decision since the step match")
            run_step(connection, run, "match")
        return run_step(connection, run, "merge")


def _follows_an_undone_decision(connection: psycopg.Connection, run: Run) -> bool:
    return connection.execute(statement("county/undone_decisions"), {"ingestion_id": run.ingestion_id}).rowcount > 0


def make_leads(connection: psycopg.Connection, run: Run) -> Counts:
    """Create the day's leads, and close leads whose reason has ended.

    Return the number of new leads by lead type, and the number of closed leads under ``closed``.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (MERGE_LOCK,))
        return run_step(connection, run, "make_leads")


def write_alerts(
    connection: psycopg.Connection,
    run: Run,
    *,
    today: date,
    max_age_days: int,
    notify: bool | None = None,
    only_new: bool = False,
) -> Counts:
    """Enqueue deliveries of the day's new leads to each subscriber who wants them; the notifier sends the deliveries.

    Leads are announced if the day is at most ``max_age_days`` business days old. If ``notify`` is True or False, it
    overrides this rule. If ``only_new`` is true, only leads are announced that the caller's transaction has created.
    Return the counts ``leads``, ``alerts`` and ``unpaid``; an alert is unpaid if its subscriber
    has too few tokens.
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
            only_new=only_new,
        )
