"""``data_ingestion_logs``: one truthful row for each run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import date

import psycopg
from psycopg import sql

from county.errors import StagingChanged
from county.feeds import Feed
from county.fetch import Fetched
from county.staging import drop_part, partition

GONE = "gone"
_ENDS: dict[str | None, str] = {
    "failed": "the run failed while the leads database was away, or died so that nothing could be written down. Its "
    "tasks' logs say why; put that right and clear the failed task.",
    "success": "somebody marked the run as a success before its last step had run. Run the date again.",
    GONE: "Airflow does not know the run any more (it was deleted) and its last step never ran. Run the date again.",
}
"""Airflow's state of a run whose row was left at ``running`` → what is written into it."""


def open_run(connection: psycopg.Connection, feed: Feed, run_id: str, day: date) -> int:
    """Inserts the run's row as ``running`` (a cleared run gets its row back) and returns its id.

    Staging rows that nobody reads any more are dropped on the way: those of runs that have succeeded, or have failed
    long ago.
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
        " OR l.status = 'failed' AND l.started_at < now() - interval '7 days'"
    ).fetchall()
    for (part,) in parts:
        drop_part(connection, part, timeout="200ms")


def open_runs(connection: psycopg.Connection, feed: Feed) -> list[str]:
    """The ids of the feed's runs whose rows say ``running``."""
    rows = connection.execute(
        "SELECT run_id FROM data_ingestion_logs"
        " WHERE ingestion_type = %s AND status = 'running' AND run_id IS NOT NULL",
        (feed.ingestion_type,),
    )
    return [str(run_id) for (run_id,) in rows]


def end_abandoned(
    connection: psycopg.Connection, feed: Feed, *, dag_id: str, state_of: Callable[[str], str | None]
) -> list[str]:
    """Ends as ``failed`` what says ``running`` though Airflow's run has ended or is gone; returns those run ids.

    ``state_of`` gives a run's state in Airflow: ``GONE`` for one that Airflow does not know, None when it cannot tell.
    """
    ended = {run_id: state for run_id in open_runs(connection, feed) if (state := state_of(run_id)) in _ENDS}
    for run_id, state in ended.items():
        fail_run(connection, feed, run_id, dag_id=dag_id, reason=_ENDS[state])
    return list(ended)


def resume_run(connection: psycopg.Connection, ingestion_id: int) -> None:
    """Opens the row again of a run that had failed and of which a step is at work: somebody has cleared its task."""
    connection.execute(
        "UPDATE data_ingestion_logs SET status = 'running', error_message = NULL, duration_seconds = NULL"
        " WHERE id = %s AND status = 'failed'",
        (ingestion_id,),
    )


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
    """Ends the run's row as ``success`` or ``skipped``; the dead letter of an earlier failure is done with."""
    with connection.transaction():
        connection.execute(
            "UPDATE data_ingestion_logs SET status = %s, error_message = NULL,"
            " duration_seconds = extract(epoch FROM clock_timestamp() - started_at) WHERE id = %s",
            (status, ingestion_id),
        )
        connection.execute(
            "UPDATE failed_jobs SET state = 'replayed' FROM data_ingestion_logs l"
            " WHERE l.id = %s AND state = 'open'"
            " AND job_key IN (l.ingestion_type || '_ingestion:' || l.run_id, l.ingestion_type || ':' || l.run_id)",
            (ingestion_id,),
        )


def note_error(connection: psycopg.Connection, feed: Feed, run_id: str, error: str) -> None:
    """Keeps what a step of the run said when it failed; the run may still succeed by a retry."""
    connection.execute(
        "UPDATE data_ingestion_logs SET error_message = %s WHERE ingestion_type = %s AND run_id = %s",
        (error, feed.ingestion_type, run_id),
    )


def fail_run(
    connection: psycopg.Connection, feed: Feed, run_id: str, *, dag_id: str, reason: str, day: date | None = None
) -> None:
    """Ends the run's row as ``failed`` and leaves a dead letter.

    ``reason`` is used when no step could say more itself, because its process was killed. A run that died before it
    could open its row gets one, for the business date ``day``.
    """
    with connection.transaction():
        row = connection.execute(
            "INSERT INTO data_ingestion_logs AS l (ingestion_type, ingestion_date, run_id, status, error_message)"
            " VALUES (%(type)s, %(day)s, %(run)s, 'failed', %(reason)s)"
            " ON CONFLICT (ingestion_type, run_id) DO UPDATE SET status = 'failed',"
            " error_message = coalesce(l.error_message, %(reason)s),"
            " duration_seconds = extract(epoch FROM clock_timestamp() - l.started_at)"
            " RETURNING error_message, ingestion_date, id",
            {"type": feed.ingestion_type, "run": run_id, "reason": reason, "day": day},
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
