"""Loads archived files into staging tables with COPY. Every line is staged or kept in ``rejected_records``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import PurePosixPath
from tempfile import SpooledTemporaryFile
from typing import BinaryIO

import psycopg
from psycopg import sql

from county.errors import TooManyRejects
from county.feed import FeedFile, Target
from county.layouts import Column, first_fault, is_good, layout_on, plain_line
from county.limits import MOST_REJECTS
from county.lines import BLOCK, COPY_OPTIONS, copy_blocks
from leads.logs import get_logger

log = get_logger(__name__)

#: An advisory lock that allows only one session at a time to drop a staging partition.
DROP_LOCK = "leads:drop-staging"

#: A file with at most this number of malformed lines is accepted, even if the file is very small.
FORGIVEN_LINES = 3


@dataclass(frozen=True)
class Staged:
    """Line counts of one file: ``read = staged + rejected``; blank lines and the control line are not counted."""

    file: str
    read: int
    staged: int
    rejected: int


def stage_file(
    connection: psycopg.Connection,
    file: FeedFile,
    stream: BinaryIO,
    *,
    ingestion_id: int,
    feed: str,
    day: date,
    object_name: str,
    max_rejected_percent: float,
) -> Staged:
    """Load one file in one transaction, replacing the staged and rejected lines from an earlier try.

    Raises TooManyRejects after the rejected lines are committed, so that people can look at them.
    """
    columns = layout_on(file.name, day)
    with connection.transaction(), connection.cursor() as cursor:
        staged = _stage_lines(cursor, file, columns, stream, ingestion_id)
        rejected = _keep_rejects(cursor, file, columns, ingestion_id, feed, day, object_name)
        cursor.execute("DROP TABLE odd_lines")
        result = Staged(file.name, staged + rejected, staged, rejected)
        cursor.execute(
            "UPDATE ingestion_files SET lines_read = %s, lines_staged = %s, lines_rejected = %s"
            " WHERE ingestion_id = %s AND file = %s",
            (result.read, staged, rejected, ingestion_id, file.name),
        )
    log.info("file_staged", object_name=object_name, read=result.read, staged=staged, rejected=rejected)
    if rejected > FORGIVEN_LINES and rejected * 100 > max_rejected_percent * result.read:
        raise TooManyRejects(
            f"{object_name}: {rejected} of {result.read} lines are malformed, more than {max_rejected_percent:g} %. "
            f"Look at rejected_records (feed {feed}, {day}); if the layout changed, correct layouts.csv, if the lines "
            "are harmless, raise MAX_REJECTED_PERCENT, then clear this task. No production table has changed."
        )
    return result


def partition(table: str, ingestion_id: int) -> str:
    """Return the name of a run's partition of a staging table."""
    return f"{table}_{ingestion_id}"


def drop_part(connection: psycopg.Connection, part: str, *, timeout: str) -> bool:
    """Drop a run's partition of a staging table; return False if it does not exist or is locked.

    Dropping a partition briefly locks the whole staging table, so the session first waits for runs that are reading the
    table. Sessions drop partitions one at a time, because PostgreSQL raises an internal error if two sessions drop the
    same partition. ``timeout`` limits each wait for a lock; its format is that of PostgreSQL's ``lock_timeout``.
    """
    with suppress(psycopg.errors.LockNotAvailable, psycopg.errors.UndefinedTable), connection.transaction():
        connection.execute("SELECT set_config('lock_timeout', %s, true)", (timeout,))
        connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (DROP_LOCK,))
        connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(part)))
        return True
    return False


def _stage_lines(
    cursor: psycopg.Cursor, file: FeedFile, columns: tuple[Column, ...], stream: BinaryIO, ingestion_id: int
) -> int:
    """Insert the well-formed lines into the run's partition of each staging table; return the number of lines.

    Creates odd_lines.
    """
    new = [target.table for target in file.targets if _make_part(cursor, target.table, ingestion_id)]
    if names := _copied_columns(file, columns):
        plain = _copy_lines(cursor, stream, columns, partition(file.targets[0].table, ingestion_id), names)
    else:
        names = [column.plain_name for column in columns]
        typed = ", ".join(f"{column.plain_name} {column.plain_type}" for column in columns)
        cursor.execute(sql.SQL(f"CREATE TEMP TABLE plain_lines (line_number integer, {typed})"))
        plain = _copy_lines(cursor, stream, columns, "plain_lines", names)
        values = {column.name: column.plain_value for column in columns}
        for target in file.targets:
            _insert(cursor, target, ingestion_id, values, "plain_lines")
        cursor.execute("DROP TABLE plain_lines")
    values = {column.name: column.value for column in columns}
    good_lines = f"odd_lines CROSS JOIN LATERAL string_to_array(line, '^') AS f WHERE {is_good(columns)}"
    odd = [_insert(cursor, target, ingestion_id, values, good_lines) for target in file.targets]
    for target in file.targets:
        _finish_part(cursor, target.table, ingestion_id, is_new=target.table in new)
    return plain + max(odd)


def _make_part(cursor: psycopg.Cursor, table: str, ingestion_id: int) -> bool:
    """Create the run's partition of a staging table, or empty the existing one; return whether the partition is new."""
    part = partition(table, ingestion_id)
    parts = {"part": sql.Identifier(part), "table": sql.Identifier(table), "id": sql.Literal(ingestion_id)}
    is_new = cursor.execute("SELECT to_regclass(%s) IS NULL", (part,)).fetchone() == (True,)
    make = "CREATE UNLOGGED TABLE {part} (LIKE {table}, CHECK (ingestion_id = {id}))" if is_new else "TRUNCATE {part}"
    cursor.execute(sql.SQL(make).format(**parts))
    cursor.execute(sql.SQL("ALTER TABLE {part} ALTER ingestion_id SET DEFAULT {id}").format(**parts))
    return is_new


def _finish_part(cursor: psycopg.Cursor, table: str, ingestion_id: int, *, is_new: bool) -> None:
    part = sql.Identifier(partition(table, ingestion_id))
    if is_new:
        attach = sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES IN ({})")
        cursor.execute(attach.format(sql.Identifier(table), part, sql.Literal(ingestion_id)))
    # Every later step reads the whole partition, so the planner needs only the number of rows, which a small sample
    # provides.
    cursor.execute("SET LOCAL default_statistics_target = 10")
    cursor.execute(sql.SQL("ANALYZE {}").format(part))


def _copied_columns(file: FeedFile, columns: tuple[Column, ...]) -> list[str]:
    """Return the columns of the staging table in the file's order, or an empty list if COPY cannot fill the table.

    COPY can fill the table if each value of a plain line is stored once and unchanged. Copying directly into the
    staging table halves the cost.
    """
    if len(file.targets) > 1 or any(column.plain_value != column.plain_name for column in columns):
        return []
    stored = {source: name for name, source in file.targets[0].columns.items()}
    return [stored[column.name] for column in columns] if stored.keys() == {column.name for column in columns} else []


def _copy_lines(
    cursor: psycopg.Cursor, stream: BinaryIO, columns: tuple[Column, ...], table: str, names: list[str]
) -> int:
    """Copy plain lines into the columns ``names`` of ``table``, and odd lines into odd_lines.

    Return the number of plain lines.
    In both tables, each line has its line number in the file: COPY numbers every row, including the empty rows that its
    WHERE clause then drops.
    """
    parts = {
        "table": sql.Identifier(table),
        "names": sql.SQL(", ").join(map(sql.Identifier, names)),
        "required": sql.Identifier(next(name for name, column in zip(names, columns, strict=True) if column.required)),
        "options": sql.SQL(COPY_OPTIONS),
    }
    cursor.execute("CREATE TEMP SEQUENCE line_numbers CACHE 1000")
    cursor.execute(sql.SQL("ALTER TABLE {table} ALTER line_number SET DEFAULT nextval('line_numbers')").format(**parts))
    with SpooledTemporaryFile(max_size=BLOCK) as odd:
        copy_plain = "COPY {table} ({names}) FROM STDIN {options} WHERE {required} IS NOT NULL"
        with cursor.copy(sql.SQL(copy_plain).format(**parts)) as copy:
            for block in copy_blocks(stream, plain_line(columns), len(columns), odd):
                copy.write(block)
        plain = cursor.rowcount
        cursor.execute("CREATE TEMP TABLE odd_lines (line_number integer, is_cut boolean, line text)")
        odd.seek(0)
        with cursor.copy(sql.SQL("COPY odd_lines FROM STDIN {options}").format(**parts)) as copy:
            while block := odd.read(BLOCK):
                copy.write(block)
    cursor.execute(sql.SQL("ALTER TABLE {table} ALTER line_number DROP DEFAULT").format(**parts))
    cursor.execute("DROP SEQUENCE line_numbers")
    return plain


def _insert(cursor: psycopg.Cursor, target: Target, ingestion_id: int, values: Mapping[str, str], lines: str) -> int:
    """Evaluate ``values`` for each of ``lines``; insert the rows into the run's partition and return their number."""
    insert = sql.SQL("INSERT INTO {} (line_number, {}) SELECT line_number, {} FROM {}").format(
        sql.Identifier(partition(target.table, ingestion_id)),
        sql.SQL(", ").join(map(sql.Identifier, target.columns)),
        _sources(target, values),
        sql.SQL(lines),
    )
    return cursor.execute(insert).rowcount


def _sources(target: Target, values: Mapping[str, str]) -> sql.Composable:
    sources = [source.format_map(values) if "{" in source else values[source] for source in target.columns.values()]
    return sql.SQL(", ".join(sources))


def _keep_rejects(
    cursor: psycopg.Cursor,
    file: FeedFile,
    columns: tuple[Column, ...],
    ingestion_id: int,
    feed: str,
    day: date,
    object_name: str,
) -> int:
    cursor.execute(
        "DELETE FROM rejected_records WHERE feed = %s AND business_date = %s AND layout_file = %s",
        (feed, day, file.name),
    )
    statement = sql.SQL(
        "WITH rejected AS MATERIALIZED ("
        " SELECT odd_lines.* FROM odd_lines CROSS JOIN LATERAL string_to_array(line, '^') AS f"
        " WHERE ({is_good}) IS NOT TRUE"
        " AND line ~ '[^ \\t\\r\\v\\f]' AND NOT (line_number = 1 AND line ~ '^[0-9]{{20}}[ \\t\\r\\v\\f]*$')"
        "), kept AS ("
        " INSERT INTO rejected_records (feed, business_date, file_name, layout_file, line_number, reason, raw_line)"
        " SELECT {feed}, {day}, {name}, {file}, line_number, {reason}, line"
        " FROM (SELECT * FROM rejected ORDER BY line_number LIMIT {most}) first"
        " CROSS JOIN LATERAL string_to_array(line, '^') AS f"
        ") SELECT count(*) FROM rejected"
    )
    counted = cursor.execute(
        statement.format(
            feed=feed,
            day=day,
            name=re.sub(r"\.r\d+$", "", PurePosixPath(object_name).name),
            file=file.name,
            reason=sql.SQL(first_fault(columns)),
            is_good=sql.SQL(is_good(columns)),
            most=MOST_REJECTS,
        )
    ).fetchone()
    return int(counted[0]) if counted else 0
