"""``data_ingestion_logs``: one truthful row for each run."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from datetime import date

import psycopg
from psycopg import sql

from county.errors import StagingChanged
from county.feeds import Feed
from county.fetch import Fetched
from county.staging import partition


def open_run(connection: psycopg.Connection, feed: Feed, run_id: str, day: date) -> int:
    """Inserts the run's row as ``running`` (a cleared run gets its row back) and returns its id.

    Staging rows of runs that have succeeded are dropped on the way: nobody reads them any more.
    """
    with connection.transaction():
        row = connection.execute(
            "INSERT INTO data_ingestion_logs AS l (ingestion_type, ingestion_date, run_id, status)"
            " VALUES (%s, %s, %s, 'running')"
            " ON CONFLICT (ingestion_type, run_id) DO UPDATE SET status = 'running', ingestion_date = %s,"
            " error_message = NULL, warnings = '{}', started_at = now(), duration_seconds = NULL"
            " RETURNING id",
            (feed.ingestion_type, day, run_id, day),
        ).fetchone()
        assert row is not None
    _drop_finished_staging(connection)
    return int(row[0])


def _drop_finished_staging(connection: psycopg.Connection) -> None:
    parts = connection.execute(
        "SELECT part.relname FROM pg_inherits i"
        " JOIN pg_class part ON part.oid = i.inhrelid"
        " JOIN pg_class staging ON staging.oid = i.inhparent AND staging.relname LIKE 'staging\\_%'"
        " JOIN data_ingestion_logs l ON l.id = substring(part.relname FROM '\\d+$')::bigint"
        " WHERE l.status IN ('success', 'skipped')"
    ).fetchall()
    for (part,) in parts:
        # Dropping a partition wants the whole table for a moment; another run that reads it goes first.
        with suppress(psycopg.errors.LockNotAvailable, psycopg.errors.UndefinedTable), connection.transaction():
            connection.execute("SET LOCAL lock_timeout = '1s'")
            connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(part)))


def record_files(connection: psycopg.Connection, feed: Feed, ingestion_id: int, fetched: Iterable[Fetched]) -> None:
    """Notes which archived objects the run reads, and warns of optional files that are not there."""
    files = list(fetched)
    absent = [file.name for file in feed.files if file.name not in {f.file for f in files}]
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM ingestion_files WHERE ingestion_id = %s", (ingestion_id,))
        cursor.executemany(
            "INSERT INTO ingestion_files (ingestion_id, file, object_name, checksum, bytes)"
            " VALUES (%s, %s, %s, %s, %s)",
            [(ingestion_id, f.file, f.object_name, f.checksum, f.bytes) for f in files],
        )
        cursor.execute(
            "UPDATE data_ingestion_logs SET warnings = %s WHERE id = %s",
            ([f"{name} is missing" for name in absent], ingestion_id),
        )


def check_staging(connection: psycopg.Connection, feed: Feed, ingestion_id: int) -> None:
    """Adds the staged lines up in the log; raises StagingChanged when a table does not hold what was staged.

    Staging tables are unlogged: a crash of the database server empties them.
    """
    staged: dict[str, int] = dict(
        connection.execute(
            "SELECT file, lines_staged FROM ingestion_files WHERE ingestion_id = %s", (ingestion_id,)
        ).fetchall()
    )
    for name, logged in staged.items():
        for target in feed.file(name).targets:
            part = sql.Identifier(partition(target.table, ingestion_id))
            try:
                row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(part)).fetchone()
            except psycopg.errors.UndefinedTable:
                row = (0,)
            if row is None or row[0] != logged:
                raise StagingChanged(
                    f"{target.table} holds {row and row[0]} rows of {name}, {logged} were staged (a crash of the "
                    "database server empties staging tables). Clear the stage tasks of this run; they read the archive."
                )
    add_up_lines(connection, ingestion_id)


def add_up_lines(connection: psycopg.Connection, ingestion_id: int) -> None:
    """Writes the staged and rejected lines of all files of the run into its row."""
    connection.execute(
        "UPDATE data_ingestion_logs SET (records_processed, records_rejected) ="
        " (SELECT coalesce(sum(lines_staged), 0), coalesce(sum(lines_rejected), 0)"
        "  FROM ingestion_files WHERE ingestion_id = %(id)s) WHERE id = %(id)s",
        {"id": ingestion_id},
    )


def close_run(connection: psycopg.Connection, ingestion_id: int, status: str = "success") -> None:
    """Ends the run's row as ``success`` or ``skipped``."""
    connection.execute(
        "UPDATE data_ingestion_logs SET status = %s, error_message = NULL,"
        " duration_seconds = extract(epoch FROM clock_timestamp() - started_at) WHERE id = %s",
        (status, ingestion_id),
    )


def note_error(connection: psycopg.Connection, feed: Feed, run_id: str, error: str) -> None:
    """Keeps what a step of the run said when it failed; the run may still succeed by a retry."""
    connection.execute(
        "UPDATE data_ingestion_logs SET error_message = %s WHERE ingestion_type = %s AND run_id = %s",
        (error, feed.ingestion_type, run_id),
    )


def fail_run(connection: psycopg.Connection, feed: Feed, run_id: str, *, dag_id: str, reason: str) -> None:
    """Ends the run's row as ``failed`` and leaves a dead letter.

    ``reason`` is used when no step could say more itself, because its process was killed. A run that died before it
    could open its row gets one.
    """
    with connection.transaction():
        row = connection.execute(
            "INSERT INTO data_ingestion_logs AS l (ingestion_type, run_id, status, error_message)"
            " VALUES (%(type)s, %(run)s, 'failed', %(reason)s)"
            " ON CONFLICT (ingestion_type, run_id) DO UPDATE SET status = 'failed',"
            " error_message = coalesce(l.error_message, %(reason)s),"
            " duration_seconds = extract(epoch FROM clock_timestamp() - l.started_at)"
            " RETURNING error_message, ingestion_date, id",
            {"type": feed.ingestion_type, "run": run_id, "reason": reason},
        ).fetchone()
        assert row is not None
        add_up_lines(connection, row[2])
        connection.execute(
            "INSERT INTO failed_jobs (queue_name, job_name, job_data, error_message, job_key)"
            " VALUES (%s, %s, %s, %s, %s)"
            " ON CONFLICT (job_key) DO UPDATE SET state = 'open', error_message = excluded.error_message,"
            " failed_at = now(), retry_count = failed_jobs.retry_count + 1",
            (
                feed.queue_name,
                dag_id,
                json.dumps({"run_id": run_id, "business_date": row[1] and row[1].isoformat()}),
                row[0],
                f"{dag_id}:{run_id}",
            ),
        )
