"""Functions that revisions call.

Frozen revisions depend on these functions: add new functions, but never change the behavior of existing functions.
"""

from __future__ import annotations

import csv
from typing import Any

import psycopg
from alembic import op

from migrations import HERE

FROZEN = HERE / "versions" / "sql"


def run_sql(*names: str) -> None:
    """Run the files ``versions/sql/<name>.sql``, which may contain any number of statements but no parameters."""
    connection = driver_connection()
    connection.execute("SET LOCAL check_function_bodies = off")  # later revisions replace most of these functions
    for name in names:
        connection.execute((FROZEN / f"{name}.sql").read_bytes())


def run_sql_outside_transaction(*names: str) -> None:
    """Run files with one statement each, such as CREATE INDEX CONCURRENTLY, without a transaction and without timeouts.

    A failed statement may leave an invalid index, and the next migration runs the revision again from the start. Put
    ``DROP INDEX CONCURRENTLY IF EXISTS`` in a file before the file that creates an index.
    """
    with op.get_context().autocommit_block():
        connection = driver_connection()
        limits = connection.execute(
            "SELECT current_setting('lock_timeout'), current_setting('statement_timeout')"
        ).fetchone()
        _limit(connection, ("0", "0"))  # these statements wait for running transactions, but do not block them
        for name in names:
            connection.execute((FROZEN / f"{name}.sql").read_bytes())
        _limit(connection, limits)


def load_csv(revision: str, *tables: str) -> None:
    """Fill each table from ``versions/sql/<revision>/<table>.csv``, whose header names the columns."""
    connection = driver_connection()
    for table in tables:
        text = (FROZEN / revision / f"{table}.csv").read_text("utf-8")
        columns = ", ".join(next(csv.reader(text.splitlines())))
        with connection.cursor().copy(f"COPY {table} ({columns}) FROM STDIN (FORMAT csv, HEADER)") as copy:
            copy.write(text)


def driver_connection() -> psycopg.Connection[Any]:
    """Return Alembic's psycopg connection, because SQLAlchemy would treat ``:name`` and ``%`` in SQL as parameters."""
    connection = op.get_bind().connection.driver_connection
    assert isinstance(connection, psycopg.Connection)
    return connection


def _limit(connection: psycopg.Connection[Any], limits: tuple[str, str] | None) -> None:
    connection.execute(
        "SELECT set_config('lock_timeout', %s, false), set_config('statement_timeout', %s, false)", limits
    )
