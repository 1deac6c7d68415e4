"""Reference data: each migration makes every reference table equal to its file ``reference/<table>.csv``."""

from __future__ import annotations

import csv
import logging
from collections import Counter
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from migrations import HERE, MigrationError

REFERENCE = HERE / "reference"
MARKER = "is_reference"
"""Column of a table that also has rows added at run time: only rows with this mark are removed."""

DELETE = """
    DELETE FROM {table}
    WHERE {removable} AND ({key}) NOT IN (SELECT {key} FROM jsonb_populate_recordset(NULL::{table}, %(rows)s))
"""
UPSERT = """
    INSERT INTO {table} ({columns})
    SELECT {columns} FROM jsonb_populate_recordset(NULL::{table}, %(rows)s)
    ON CONFLICT ({key}) DO UPDATE SET ({values}) = ROW ({new}) WHERE ROW ({old}) IS DISTINCT FROM ROW ({new})
"""

log = logging.getLogger("migrations")


def reference_files(folder: Path = REFERENCE) -> list[Path]:
    """Return the CSV files, each named after its table, in the order in which they are loaded."""
    return sorted(folder.glob("*.csv"))


def load_reference(connection: psycopg.Connection[Any], path: Path) -> None:
    """Make the table equal to the CSV file: add and change rows, and remove rows that the file no longer has.

    Raises MigrationError when the file does not fit the table, or when another table refers to a removed row.
    """
    try:
        removed, written = _load(connection, path.stem, path.read_text("utf-8"))
    except psycopg.errors.ForeignKeyViolation as error:
        raise MigrationError(
            f"reference/{path.name} no longer has a row that {error.diag.table_name} refers to: "
            f"{error.diag.message_detail} Keep it in the file, or change the rows that refer to it in a revision first."
        ) from error
    except psycopg.errors.LockNotAvailable:
        raise
    except psycopg.Error as error:
        raise MigrationError(f"reference/{path.name} does not fit its table, correct the file: {error}") from error
    log.info("reference/%s: %d rows written, %d removed", path.name, written, removed)


def _load(connection: psycopg.Connection[Any], table: str, text: str) -> tuple[int, int]:
    reader = csv.DictReader(text.splitlines())
    rows: list[dict[str, object]] = [{column: value or None for column, value in row.items()} for row in reader]
    key, has_marker = _shape(connection, table)
    seen = Counter(",".join(str(row[column]) for column in key) for row in rows)
    if twice := [value for value, count in seen.items() if count > 1]:
        raise MigrationError(f"reference/{table}.csv gives a key twice, correct the file: {'; '.join(twice)}")
    if has_marker:
        rows = [row | {MARKER: True} for row in rows]
    values = [column for column in rows[0] if column not in key]
    names = {
        "table": sql.Identifier(table),
        "columns": _list([*key, *values]),
        "key": _list(key),
        "values": _list(values),
        "old": _list(values, table),
        "new": _list(values, "excluded"),
        "removable": sql.Identifier(MARKER) if has_marker else sql.SQL("true"),
    }
    parameters = {"rows": Jsonb(rows)}
    removed = connection.execute(sql.SQL(DELETE).format(**names), parameters).rowcount
    return removed, connection.execute(sql.SQL(UPSERT).format(**names), parameters).rowcount


def _list(columns: list[str], table: str | None = None) -> sql.Composed:
    names = [sql.Identifier(table, column) if table else sql.Identifier(column) for column in columns]
    return sql.SQL(", ").join(names)


def _shape(connection: psycopg.Connection[Any], table: str) -> tuple[list[str], bool]:
    """Return the columns of the table's primary key, and whether the table has the column ``is_reference``."""
    row = connection.execute(
        "SELECT array_agg(a.attname) FILTER (WHERE a.attnum = ANY (i.indkey)), bool_or(a.attname = %s)"
        " FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid"
        " WHERE i.indrelid = %s::regclass AND i.indisprimary AND a.attnum > 0 AND NOT a.attisdropped",
        [MARKER, table],
    ).fetchone()
    assert row is not None and row[0], f"{table} has no primary key"
    return [str(name) for name in row[0]], bool(row[1])
