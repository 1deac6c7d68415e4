"""The steps of a run from match to write_alerts.

Each step runs its ``.sql`` files in one transaction. The merge of documents and the step make_leads are divided into
slices, and each slice is a transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import partial
from typing import Any

import psycopg
from psycopg.rows import dict_row

from county.runs import Run, check_staging
from county.settings import settings
from county.slices import (
    EVERYTHING,
    Counts,
    Slice,
    cores,
    merge_lock,
    run_parts,
    slices_between,
)
from leads.business_days import business_days_between
from leads.logs import get_logger
from leads.sql import statement

log = get_logger(__name__)

#: A smaller slice would take longer to start than it saves.
ROWS_PER_SLICE = 20_000

#: A larger slice would sort its rows on disk, so a very large day has more slices than connections.
LARGEST_SLICE = 100_000

#: A batch of this size fits into the processor's cache, and the memory it needs does not depend on the size of the day.
FOLIOS_PER_BATCH = 2_500


def run_statements(connection: psycopg.Connection, name: str, **parameters: Any) -> Counts:
    """Run ``sql/<name>.sql``; return the row that its last statement returns, or an empty dict."""
    with psycopg.ClientCursor(connection, row_factory=dict_row) as cursor:
        cursor.execute(statement(f"county/{name}"), parameters or None)
        while cursor.nextset():
            pass
        row = cursor.fetchone() if cursor.description else None
    return row or {}


def run_step(connection: psycopg.Connection, run: Run, step: str, part: Slice = EVERYTHING) -> Counts:
    """Run the ``.sql`` files of a step one after another for one slice; return the counts of all files."""
    counts: Counts = {}
    for name in run.feed.steps[step]:
        counts |= run_statements(
            connection,
            name,
            feed=run.feed.name,
            ingestion_type=run.feed.ingestion_type,
            ingestion_id=run.ingestion_id,
            day=run.day,
            **part,
        )
    return counts


def match(connection: psycopg.Connection, run: Run) -> Counts:
    """Match records without a folio to properties by address; return the counts ``matched`` and ``unmatched``."""
    with connection.transaction():
        check_staging(connection, run)
        return run_step(connection, run, "match")


def merge(connection: psycopg.Connection, run: Run) -> Counts:
    """Bring documents, court records or properties up to date with the run's files.

    For the daily feed, return the counts of changed ``documents`` and ``parties``, and of the properties
    ``created`` and ``updated``. For a court feed, return the counts of ``records``, of records ``matched`` to a
    property, and of ``changed_cases``. For the parcel roll, return the counts of the properties ``created`` and
    ``updated``, and of ``leads_revalued``.

    The documents are merged in slices, and a slice also stores the folios that it changed. Then the properties of these
    folios are derived. If the step ends early, its next try finds the documents of the finished slices unchanged, and
    derives the properties of all stored folios.
    """
    with merge_lock(connection):
        with connection.transaction():
            check_staging(connection, run)
            if _follows_an_undone_decision(connection, run):
                log.info("matched_again", reason="an operator has undone a decision since the step match")
                run_step(connection, run, "match")
        counts = _run_slices(connection, run, "merge", "document_slices")
        if _derives(run):
            counts |= derive_properties(connection, run)
        return counts


def derive_properties(connection: psycopg.Connection, run: Run, connections: int | None = None) -> Counts:
    """Derive the properties of all folios in ``merged_folios``, then empty the table.

    The caller holds the lock of merges. Return the counts of the properties ``created`` and ``updated``. The table may
    contain folios of a run that was killed; they are counted in that run's row.
    """
    counts = {"created": 0, "updated": 0}
    with connection.cursor() as cursor:
        batches = cursor.execute(statement("county/folio_batches"), {"size": FOLIOS_PER_BATCH}).fetchall()
    if batches:
        parts = [
            partial(run_statements, name="refresh_properties", ingestion_id=ingestion_id, folios=folios)
            for ingestion_id, folios in batches
        ]
        counts = run_parts(connection, parts, connections or _connections())
        # Delete no folio before all batches have ended, so that the next try after an error derives them all again.
        connection.execute("DELETE FROM merged_folios")
    return counts


def _run_slices(connection: psycopg.Connection, run: Run, step: str, choose: str) -> Counts:
    """Run a step in the slices whose bounds ``sql/<choose>.sql`` finds, or as a whole if the feed has no slices."""
    connections = _connections() if _derives(run) else 1
    sizes = {"smallest": ROWS_PER_SLICE, "largest": LARGEST_SLICE}
    parameters = {"ingestion_id": run.ingestion_id, "day": run.day, "slices": connections, **sizes}
    bounds: Sequence[Slice] = []
    if _derives(run):
        with psycopg.ClientCursor(connection, row_factory=dict_row) as cursor:
            bounds = cursor.execute(statement(f"county/{choose}"), parameters).fetchall()
    parts = [partial(run_step, run=run, step=step, part=part) for part in slices_between(bounds)]
    return run_parts(connection, parts, connections)


def _connections() -> int:
    return settings.ingestion_connections or cores()


def _derives(run: Run) -> bool:
    return "derive" in run.feed.steps


def _follows_an_undone_decision(connection: psycopg.Connection, run: Run) -> bool:
    return connection.execute(statement("county/undone_decisions"), {"ingestion_id": run.ingestion_id}).rowcount > 0


def make_leads(connection: psycopg.Connection, run: Run) -> Counts:
    """Create the day's leads, and close leads whose reason has ended.

    Return the number of new leads by lead type, and the number of closed leads under ``closed``. The folios are divided
    into slices. A slice that has ended has no pending folios any more, so the step's next try leaves it out.
    """
    with merge_lock(connection):
        if _derives(run):
            derive_properties(connection, run)  # another run's merge may have ended early
        return _run_slices(connection, run, "make_leads", "folio_slices")


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
