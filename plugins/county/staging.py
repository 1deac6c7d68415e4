"""Archive → staging tables, by COPY. Every line ends in staging or in ``rejected_records``."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from datetime import date
from pathlib import PurePosixPath
from typing import BinaryIO

import psycopg
from psycopg import sql

from county.errors import TooManyRejects
from county.feeds import FeedFile, Target
from county.layouts import Column, first_fault, is_good, layout, plain_line
from county.lines import COPY_OPTIONS, copy_blocks

log = logging.getLogger(__name__)

#: A file with as few bad lines as this is never too bad, however small it is.
FORGIVEN_LINES = 3


@dataclass(frozen=True)
class Staged:
    """Lines of one file: ``read = staged + rejected``; blank lines and the control line are none of them."""

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
    """Loads one file in one transaction and replaces what an earlier try left, rejects of the day included.

    Raises TooManyRejects after the rejects are committed, so that whoever looks finds them.
    """
    columns = layout(file.name)
    with connection.transaction(), connection.cursor() as cursor:
        _copy_lines(cursor, stream, columns)
        staged = max(_fill(cursor, target, columns, ingestion_id) for target in file.targets)
        rejected = _keep_rejects(cursor, file, columns, ingestion_id, feed, day, object_name)
        cursor.execute("DROP TABLE raw_lines")
        result = Staged(file.name, staged + rejected, staged, rejected)
        cursor.execute(
            "UPDATE ingestion_files SET lines_read = %s, lines_staged = %s, lines_rejected = %s"
            " WHERE ingestion_id = %s AND file = %s",
            (result.read, staged, rejected, ingestion_id, file.name),
        )
    log.info("Staged %s: %s read, %s staged, %s rejected", object_name, result.read, staged, rejected)
    if rejected > FORGIVEN_LINES and rejected * 100 > max_rejected_percent * result.read:
        raise TooManyRejects(
            f"{object_name}: {rejected} of {result.read} lines are malformed, more than {max_rejected_percent:g} %. "
            f"Look at rejected_records (feed {feed}, {day}); if the layout changed, correct layouts.csv, if the lines "
            "are harmless, raise MAX_REJECTED_PERCENT, then clear this task. No production table has changed."
        )
    return result


def partition(table: str, ingestion_id: int) -> str:
    """The name of the part of a staging table that belongs to one run."""
    return f"{table}_{ingestion_id}"


def _copy_lines(cursor: psycopg.Cursor, stream: BinaryIO, columns: tuple[Column, ...]) -> None:
    """Fills the temporary table raw_lines: of a plain line its fields, of any other the ``line`` itself."""
    names = [column.plain_name for column in columns]
    typed = ", ".join(f"{column.plain_name} {column.plain_type}" for column in columns)
    # The numbers are the file's own line numbers: COPY takes them in the order of the lines.
    cursor.execute(
        sql.SQL(
            "CREATE TEMP TABLE raw_lines"
            f" (line_number integer GENERATED ALWAYS AS IDENTITY, {typed}, line text) ON COMMIT DROP"
        )
    )
    with cursor.copy(sql.SQL(f"COPY raw_lines ({', '.join(names)}, line) FROM STDIN {COPY_OPTIONS}")) as copy:
        for block in copy_blocks(stream, plain_line(columns), len(columns)):
            copy.write(block)


def _fill(cursor: psycopg.Cursor, target: Target, columns: tuple[Column, ...], ingestion_id: int) -> int:
    """Puts the good lines into the run's part of a staging table; returns how many."""
    parts = {
        "part": sql.Identifier(partition(target.table, ingestion_id)),
        "table": sql.Identifier(target.table),
        "id": sql.Literal(ingestion_id),
        "names": sql.SQL(", ").join(map(sql.Identifier, target.columns)),
        "plain": _sources(target, {column.name: column.plain_value for column in columns}),
        "sources": _sources(target, {column.name: column.value for column in columns}),
        "is_good": sql.SQL(is_good(columns)),
    }
    part = partition(target.table, ingestion_id)
    again = cursor.execute("SELECT to_regclass(%s) IS NOT NULL", (part,)).fetchone() == (True,)
    make = "TRUNCATE {part}" if again else "CREATE UNLOGGED TABLE {part} (LIKE {table}, CHECK (ingestion_id = {id}))"
    cursor.execute(sql.SQL(make).format(**parts))
    cursor.execute(
        sql.SQL(
            "INSERT INTO {part} (ingestion_id, line_number, {names})"
            " SELECT {id}, line_number, {plain} FROM raw_lines WHERE line IS NULL"
            " UNION ALL SELECT {id}, line_number, {sources}"
            " FROM raw_lines CROSS JOIN LATERAL string_to_array(line, '^') AS f WHERE line IS NOT NULL AND {is_good}"
        ).format(**parts)
    )
    staged = cursor.rowcount
    if not again:
        cursor.execute(sql.SQL("ALTER TABLE {table} ATTACH PARTITION {part} FOR VALUES IN ({id})").format(**parts))
    # Every later step reads all of it: how many rows there are is what the planner has to know.
    cursor.execute("SET LOCAL default_statistics_target = 10")
    cursor.execute(sql.SQL("ANALYZE {part}").format(**parts))
    return staged


def _sources(target: Target, values: dict[str, str]) -> sql.Composable:
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
        "INSERT INTO rejected_records (feed, business_date, file_name, layout_file, line_number, reason, raw_line)"
        " SELECT {feed}, {day}, {name}, {file}, line_number, {reason}, line"
        " FROM raw_lines CROSS JOIN LATERAL string_to_array(line, '^') AS f"
        " WHERE line IS NOT NULL AND ({is_good}) IS NOT TRUE"
        " AND line !~ '^\\s*$' AND NOT (line_number = 1 AND line ~ '^\\d{{20}}\\s*$')"
        " ORDER BY line_number"
    )
    cursor.execute(
        statement.format(
            feed=feed,
            day=day,
            name=re.sub(r"\.r\d+$", "", PurePosixPath(object_name).name),
            file=file.name,
            reason=sql.SQL(first_fault(columns)),
            is_good=sql.SQL(is_good(columns)),
        )
    )
    return cursor.rowcount
