"""The run log ``data_ingestion_logs``: one row for each run. A row is correct even if a task is killed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TypedDict

import psycopg
from psycopg import sql

from county import feeds
from county.errors import StagingChanged
from county.feed import Feed, FeedFile
from county.fetch import Fetched
from county.staging import drop_part, partition
from leads.redaction import redact

GONE = "gone"
_ENDS: dict[str | None, str] = {
    "failed": "the run failed while the leads database was unreachable, or was killed before it could write its error. "
    "Its tasks' logs say why; correct the cause and clear the failed task.",
    "success": "the run was marked as a success by hand before its last step had run. Run the date again.",
    GONE: "the run was deleted in Airflow before its last step had run. Run the date again.",
}
"""Airflow's state of a run whose row still says ``running`` → the error to write into the row."""


class RunKey(TypedDict):
    """A run as JSON values. Tasks pass a run to each other in this form through XCom."""

    feed: str
    ingestion_id: int
    day: str


@dataclass(frozen=True)
class Run:
    """A run of a feed: the feed, the id of the run's row, and the business date."""

    feed: Feed
    ingestion_id: int
    day: date

    @classmethod
    def of(cls, key: RunKey) -> Run:
        """Return the run that ``key`` describes. Raises whatever ``county.feeds.feed`` raises."""
        return cls(feeds.feed(key["feed"]), key["ingestion_id"], date.fromisoformat(key["day"]))

    @property
    def key(self) -> RunKey:
        """The run as values that JSON can represent."""
        return RunKey(feed=self.feed.name, ingestion_id=self.ingestion_id, day=self.day.isoformat())


def open_run(connection: psycopg.Connection, feed: Feed, run_id: str, day: date) -> Run:
    """Insert the run's row as ``running``, or reset the row of a cleared run to ``running``; return the run.

    Also drops the staging partitions of runs that succeeded, were skipped, or failed more than a week ago.
    """
    with connection.transaction():
        row = connection.execute(
            "INSERT INTO data_ingestion_logs AS l (ingestion_type, ingestion_date, run_id, status)"
            " VALUES (%s, %s, %s, 'running')"
            " ON CONFLICT (ingestion_type, run_id) DO UPDATE SET status = 'running', ingestion_date = %s,"
            " error_message = NULL, warnings = '{}', started_at = now(), duration_seconds = NULL"
            " RETURNING id, xmax <> 0 AS is_reopened",
            (feed.ingestion_type, day, run_id, day),
        ).fetchone()
        assert row is not None
        if row[1]:
            connection.execute("DELETE FROM ingestion_files WHERE ingestion_id = %s", (row[0],))
            connection.execute("DELETE FROM ingestion_steps WHERE ingestion_id = %s", (row[0],))
    _drop_finished_staging(connection)
    return Run(feed, int(row[0]), day)


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
    """Return the ids of the feed's runs whose rows say ``running``."""
    rows = connection.execute(
        "SELECT run_id FROM data_ingestion_logs"
        " WHERE ingestion_type = %s AND status = 'running' AND run_id IS NOT NULL",
        (feed.ingestion_type,),
    )
    return [str(run_id) for (run_id,) in rows]


def end_abandoned(connection: psycopg.Connection, feed: Feed, *, state_of: Callable[[str], str | None]) -> list[str]:
    """Mark ``running`` rows as ``failed`` if their runs have ended or no longer exist in Airflow; return the run ids.

    ``state_of`` returns a run's state in Airflow, ``GONE`` if Airflow does not have the run, or None if Airflow does
    not answer.
    """
    ended = {run_id: state for run_id in open_runs(connection, feed) if (state := state_of(run_id)) in _ENDS}
    for run_id, state in ended.items():
        fail_run(connection, feed, run_id, reason=_ENDS[state])
    return list(ended)


def resume_run(connection: psycopg.Connection, ingestion_id: int) -> None:
    """Set a failed run's row back to ``running`` after one of the run's tasks was cleared."""
    connection.execute(
        "UPDATE data_ingestion_logs SET status = 'running', error_message = NULL, duration_seconds = NULL"
        " WHERE id = %s AND status = 'failed'",
        (ingestion_id,),
    )


def warn_of_missing(connection: psycopg.Connection, run: Run, files: Sequence[FeedFile]) -> None:
    """Write a warning into the run's row for each optional file of the feed that is not among ``files``."""
    missing = [f"{file.name} is missing" for file in run.feed.files if file not in files]
    connection.execute("UPDATE data_ingestion_logs SET warnings = %s WHERE id = %s", (missing, run.ingestion_id))


def record_file(connection: psycopg.Connection, run: Run, fetched: Fetched) -> None:
    """Record which archived object the run reads for one file, and reset the file's line counts."""
    connection.execute(
        "INSERT INTO ingestion_files AS f (ingestion_id, file, object_name, checksum, bytes)"
        " VALUES (%s, %s, %s, %s, %s) ON CONFLICT (ingestion_id, file) DO UPDATE SET"
        " object_name = excluded.object_name, checksum = excluded.checksum, bytes = excluded.bytes,"
        " lines_read = NULL, lines_staged = NULL, lines_rejected = NULL",
        (run.ingestion_id, fetched.file, fetched.object_name, fetched.checksum, fetched.bytes),
    )


def check_staging(connection: psycopg.Connection, run: Run) -> None:
    """Check that the staging tables hold the logged number of rows, and write the totals into the run's row.

    Raises StagingChanged if a table holds a different number of rows: staging tables are unlogged, and a crash of the
    database server empties them.
    """
    staged: dict[str, int] = dict(
        connection.execute(
            "SELECT file, lines_staged FROM ingestion_files WHERE ingestion_id = %s", (run.ingestion_id,)
        ).fetchall()
    )
    for name, logged in staged.items():
        for target in run.feed.file(name).targets:
            part = sql.Identifier(partition(target.table, run.ingestion_id))
            try:
                row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(part)).fetchone()
            except psycopg.errors.UndefinedTable:
                row = (0,)
            if row is None or row[0] != logged:
                raise StagingChanged(
                    f"{target.table} holds {row and row[0]} rows of {name}, {logged} were staged (a crash of the "
                    "database server empties staging tables). Clear the stage tasks of this run; they read the archive."
                )
    add_up_lines(connection, run.ingestion_id)


def add_up_lines(connection: psycopg.Connection, ingestion_id: int) -> None:
    """Write the number of staged and rejected lines of all files into the run's row."""
    connection.execute(
        "UPDATE data_ingestion_logs SET (records_processed, records_rejected) ="
        " (SELECT coalesce(sum(lines_staged), 0), coalesce(sum(lines_rejected), 0)"
        "  FROM ingestion_files WHERE ingestion_id = %(id)s) WHERE id = %(id)s",
        {"id": ingestion_id},
    )


def close_run(connection: psycopg.Connection, ingestion_id: int, status: str = "success") -> None:
    """Mark the run's row as ``success`` or ``skipped``, and the dead letter of an earlier failure as ``replayed``."""
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
    """Write a failed step's error into the run's row, with secrets masked; leave the run's status unchanged."""
    connection.execute(
        "UPDATE data_ingestion_logs SET error_message = %s WHERE ingestion_type = %s AND run_id = %s",
        (redact(error), feed.ingestion_type, run_id),
    )


def fail_run(connection: psycopg.Connection, feed: Feed, run_id: str, *, reason: str, day: date | None = None) -> None:
    """Mark the run's row as ``failed`` and write a dead letter.

    ``reason`` is written if no step could write its own error, for example because its process was killed. If the run
    failed before its row was inserted, a row for the business date ``day`` is inserted. Secrets in ``reason`` are
    masked.
    """
    with connection.transaction():
        row = connection.execute(
            "INSERT INTO data_ingestion_logs AS l (ingestion_type, ingestion_date, run_id, status, error_message)"
            " VALUES (%(type)s, %(day)s, %(run)s, 'failed', %(reason)s)"
            " ON CONFLICT (ingestion_type, run_id) DO UPDATE SET status = 'failed',"
            " error_message = coalesce(l.error_message, %(reason)s),"
            " duration_seconds = extract(epoch FROM clock_timestamp() - l.started_at)"
            " RETURNING error_message, ingestion_date, id",
            {"type": feed.ingestion_type, "run": run_id, "reason": redact(reason), "day": day},
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
                feed.dag_id,
                json.dumps({"run_id": run_id, "business_date": row[1] and row[1].isoformat()}),
                row[0],
                f"{feed.dag_id}:{run_id}",
            ),
        )
