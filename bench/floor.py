"""Measure PostgreSQL's minimum time for a county day: the time to copy its files unchanged and to insert its rows."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import psycopg
from psycopg import sql

#: Table → the SQL condition that selects a day's rows. A day's properties are the properties that the day's documents
#: name.
_ROWS = {
    "document_versions": "r.business_date = {day}",
    "party_versions": "r.business_date = {day}",
    "properties": "r.folio_number IN (SELECT folio FROM document_versions WHERE business_date = {day})",
}


def client() -> str:
    """Return the client that copies the files, which is ``psql`` if installed and ``psycopg`` otherwise.

    Both clients run the same COPY statement.
    """
    return "psql" if shutil.which("psql") else "psycopg"


def copy_files(url: str, files: Mapping[str, Path]) -> dict[str, float]:
    """Copy each file into an unlogged table with one text column; return how many seconds each copy takes."""
    return {name: _copy_file(url, path) for name, path in files.items()}


def _copy_file(url: str, path: Path) -> float:
    # No line contains this delimiter, so COPY reads every line as one column.
    options = r"(DELIMITER E'\x01', ENCODING 'WIN1252')"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS floor_lines")
        connection.execute("CREATE UNLOGGED TABLE floor_lines (line text)")
        started = time.perf_counter()
        if client() == "psql":
            command = ["psql", url, "--quiet", "--command", rf"\copy floor_lines FROM '{path}' WITH {options}"]
            subprocess.run(command, check=True)
        else:
            with path.open("rb") as source, connection.cursor().copy(f"COPY floor_lines FROM STDIN {options}") as copy:
                while block := source.read(1 << 20):
                    copy.write(block)
        return time.perf_counter() - started


def insert_rows(url: str, day: date) -> dict[str, tuple[int, float]]:
    """Insert the day's rows into empty copies of the tables and indexes; return each table's row count and time (s)."""
    with psycopg.connect(url, autocommit=True) as connection:
        return {table: _insert_rows(connection, table, day) for table in _ROWS}


def _insert_rows(connection: psycopg.Connection, table: str, day: date) -> tuple[int, float]:
    parts = {"table": sql.Identifier(table), "floor": sql.Identifier(f"floor_{table}"), "day": sql.Literal(day)}
    columns = connection.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
        " AND attgenerated = ''",
        (table,),
    ).fetchall()
    parts["columns"] = sql.SQL(", ").join(sql.Identifier(name) for (name,) in columns)
    connection.execute(sql.SQL("DROP TABLE IF EXISTS {floor}").format(**parts))
    connection.execute(sql.SQL("CREATE TABLE {floor} (LIKE {table} INCLUDING ALL)").format(**parts))
    where = sql.SQL(_ROWS[table]).format(**parts)
    # Select the rows before the timer starts, because the floor must not include the time to find the rows.
    connection.execute("DROP TABLE IF EXISTS floor_rows")
    connection.execute(
        sql.SQL("CREATE TEMP TABLE floor_rows AS SELECT {columns} FROM {table} r WHERE ").format(**parts) + where
    )
    started = time.perf_counter()
    done = connection.execute(sql.SQL("INSERT INTO {floor} ({columns}) SELECT * FROM floor_rows").format(**parts))
    return done.rowcount, time.perf_counter() - started
