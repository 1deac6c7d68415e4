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
from county.layouts import Column, layout, line_pattern
from county.lines import copy_blocks

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
        _copy_lines(cursor, columns, stream)
        rejected = _keep_rejects(cursor, file, columns, feed, day, object_name)
        cursor.execute("SELECT count(*) FROM raw_lines WHERE is_good")
        staged = int(cursor.fetchone()[0])  # type: ignore[index]
        for target in file.targets:
            _fill(cursor, target, columns, ingestion_id)
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


def _copy_lines(cursor: psycopg.Cursor, columns: tuple[Column, ...], stream: BinaryIO) -> None:
    # The numbers are the file's own line numbers: COPY takes them in the order of the lines.
    cursor.execute(
        sql.SQL(
            "CREATE TEMP TABLE raw_lines (line_number integer GENERATED ALWAYS AS IDENTITY, line text,"
            " is_good boolean GENERATED ALWAYS AS (line ~ {}) STORED) ON COMMIT DROP"
        ).format(sql.Literal(line_pattern(columns)))
    )
    with cursor.copy("COPY raw_lines (line) FROM STDIN (ENCODING 'UTF8')") as copy:
        for block in copy_blocks(stream):
            copy.write(block)


def _keep_rejects(
    cursor: psycopg.Cursor,
    file: FeedFile,
    columns: tuple[Column, ...],
    feed: str,
    day: date,
    object_name: str,
) -> int:
    cursor.execute(
        "DELETE FROM rejected_records WHERE feed = %s AND business_date = %s AND layout_file = %s",
        (feed, day, file.name),
    )
    name = re.sub(r"\.r\d+$", "", PurePosixPath(object_name).name)
    statement = sql.SQL(
        "INSERT INTO rejected_records (feed, business_date, file_name, layout_file, line_number, reason, raw_line)"
        " SELECT {feed}, {day}, {name}, {file}, line_number, {reason}, line"
        " FROM raw_lines CROSS JOIN LATERAL string_to_array(line, '^') AS f"
        " WHERE NOT is_good AND line !~ '^\\s*$' AND NOT (line_number = 1 AND line ~ '^\\d{{20}}\\s*$')"
    )
    cursor.execute(statement.format(feed=feed, day=day, name=name, file=file.name, reason=sql.SQL(_reason(columns))))
    return cursor.rowcount


def _reason(columns: tuple[Column, ...]) -> str:
    """SQL that names the first thing wrong with the line ``f``."""
    fields = f"WHEN cardinality(f) <> {len(columns)} THEN format('%s fields instead of {len(columns)}', cardinality(f))"
    checks = [f"WHEN f[{c.position + 1}] !~ '^{c.pattern}$' THEN '{c.complaint}'" for c in columns]
    return f"CASE {fields} WHEN line ~ '␀' THEN 'holds a NUL byte' {' '.join(checks)} ELSE 'malformed' END"


def _fill(cursor: psycopg.Cursor, target: Target, columns: tuple[Column, ...], ingestion_id: int) -> None:
    values = {column.name: column.value for column in columns}
    sources = [source.format_map(values) if "{" in source else values[source] for source in target.columns.values()]
    cursor.execute(
        sql.SQL(
            "DROP TABLE IF EXISTS {part};"
            " CREATE UNLOGGED TABLE {part} (LIKE {table} INCLUDING DEFAULTS);"
            " INSERT INTO {part} (ingestion_id, line_number, {names})"
            " SELECT {id}, line_number, {sources}"
            " FROM raw_lines CROSS JOIN LATERAL string_to_array(line, '^') AS f WHERE is_good;"
            " ALTER TABLE {part} ADD CHECK (ingestion_id = {id});"
            " ALTER TABLE {table} ATTACH PARTITION {part} FOR VALUES IN ({id});"
            " ANALYZE {part}"
        ).format(
            part=sql.Identifier(partition(target.table, ingestion_id)),
            table=sql.Identifier(target.table),
            id=sql.Literal(ingestion_id),
            names=sql.SQL(", ").join(map(sql.Identifier, target.columns)),
            sources=sql.SQL(", ".join(sources)),
        )
    )
