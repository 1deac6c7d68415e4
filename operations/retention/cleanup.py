"""The nightly clean-up: it removes expired rows in batches, and archives some of them first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta

import psycopg
from psycopg import sql

from county.archive import Archive
from county.errors import PermanentIngestionError
from county.staging import drop_part
from leads.clock import local_day
from leads.logs import get_logger
from leads.sql import statement, statement_with
from operations.retention.archiving import archive_next
from operations.retention.rules import ARCHIVED_LOG_DAYS, RULES, STAGING_DAYS, Rule

log = get_logger(__name__)

LOCK = "operations:cleanup"
BATCH = 10_000


def clean_up(
    connection: psycopg.Connection, archive: Archive, *, moment: datetime, dry_run: bool, batch: int = BATCH
) -> dict[str, int]:
    """Remove or empty the rows, and remove the archived logs, whose retention period has ended by ``moment``.

    Return the number of rows for each rule, under ``archived_logs`` the number of removed objects, and under
    ``staging`` the number of dropped partitions. If ``dry_run`` is true, nothing is removed, and the result says what
    would be removed. Each batch of ``batch`` rows is removed in its own transaction, so locks are held only briefly,
    and a killed run's finished batches stay removed. Raises PermanentIngestionError if another clean-up is running or
    an archived object differs from the content that was written.
    """
    done: dict[str, int] = {}
    with _alone(connection):
        for rule in RULES:
            before = moment - timedelta(days=rule.days)
            if dry_run:
                done[rule.name] = _count(connection, rule, before)
            elif rule.archived is not None:
                done[rule.name] = _archive_and_remove(connection, archive, rule, before, batch)
            elif rule.removal:
                done[rule.name] = _repeat_removal(connection, rule, before, batch)
            else:
                done[rule.name] = _delete(connection, rule, before, batch)
        before = moment - timedelta(days=ARCHIVED_LOG_DAYS)
        done["archived_logs"] = archive.remove_folders_before("logs", local_day(before), dry_run=dry_run)
        done["staging"] = _drop_staging(connection, moment - timedelta(days=STAGING_DAYS), dry_run=dry_run)
    log.info("cleanup_ended", dry_run=dry_run, rows=done)
    return done


@contextmanager
def _alone(connection: psycopg.Connection) -> Iterator[None]:
    row = connection.execute("SELECT pg_try_advisory_lock(hashtext(%s))", (LOCK,)).fetchone()
    if row is None or not row[0]:
        raise PermanentIngestionError(
            "another clean-up is running: wait for it, or end its session (application_name in pg_stat_activity)"
        )
    try:
        # A row's JSON contains times. They must be formatted the same way in every session, because lines are compared
        # by hash.
        connection.execute("SET TimeZone = 'UTC'")
        yield
    finally:
        with suppress(psycopg.OperationalError):
            connection.execute("RESET TimeZone")
            connection.execute("SELECT pg_advisory_unlock(hashtext(%s))", (LOCK,))


def _count(connection: psycopg.Connection, rule: Rule, before: datetime) -> int:
    query = sql.SQL("SELECT count(*) FROM {} d WHERE d.{} < %s AND {}").format(
        sql.Identifier(rule.table), sql.Identifier(rule.age), sql.SQL(rule.condition)
    )
    row = connection.execute(query, (before,)).fetchone()
    return int(row[0]) if row else 0


def _archive_and_remove(
    connection: psycopg.Connection, archive: Archive, rule: Rule, before: datetime, batch: int
) -> int:
    total = 0
    while (removed := archive_next(connection, archive, rule, before=before, limit=batch)) is not None:
        total += removed
        if removed == 0:
            break  # every row of the batch has changed in the meantime; the next night's run tries again
    return total


def _delete(connection: psycopg.Connection, rule: Rule, before: datetime, batch: int) -> int:
    query = statement_with("operations/retention/delete_old", table=rule.table, age=rule.age, condition=rule.condition)
    total, after = 0, 0
    while True:
        row = connection.execute(query, {"after": after, "before": before, "limit": batch}).fetchone()
        if row is None or not row[0]:
            return total
        total, after = total + row[0], row[1]


def _repeat_removal(connection: psycopg.Connection, rule: Rule, before: datetime, batch: int) -> int:
    query = statement_with(
        f"operations/retention/{rule.removal}",
        table=rule.table,
        age=rule.age,
        condition=rule.condition,
        assignments=", ".join(f"{column} = NULL" for column in rule.emptied),
    )
    total = 0
    while changed := connection.execute(query, {"before": before, "limit": batch}).rowcount:
        total += changed
    return total


def _drop_staging(connection: psycopg.Connection, before: datetime, *, dry_run: bool) -> int:
    """Drop the staging partitions of successful and skipped runs, and of all runs older than ``before``."""
    parts = connection.execute(statement("operations/retention/old_staging"), {"before": before}).fetchall()
    if dry_run:
        return len(parts)
    # A partition that another session has locked is dropped the next night.
    dropped = sum(drop_part(connection, part, timeout="1s") for (part,) in parts)
    connection.execute(
        "DELETE FROM matched_records m USING data_ingestion_logs l"
        " WHERE l.id = m.ingestion_id AND (l.status IN ('success', 'skipped') OR l.started_at < %s)",
        (before,),
    )
    return dropped
