"""The leads database: its schema, the SQL functions that both sides share, and the data they rest on."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

from alembic.config import Config
from alembic.operations import Operations
from psycopg import sql

HERE = Path(__file__).parent


def configuration(url: str | None = None) -> Config:
    """Alembic's configuration for ``url`` (default: ``DATABASE_URL``), a ``postgresql://`` address.

    Raises SystemExit with the remedy when no address is given.
    """
    url = url or os.environ.get("DATABASE_URL", "")
    if not url:
        raise SystemExit("DATABASE_URL is not set: give the leads database as postgresql://user:password@host/name")
    config = Config()
    config.set_main_option("script_location", str(HERE))
    # Whatever driver the address names (or none), migrations use the one that this project installs.
    config.attributes["url"] = "postgresql+psycopg://" + url.partition("://")[2]
    return config


def run_sql(op: Operations, *names: str) -> None:
    """Runs the files ``sql/<name>.sql`` as they are (no parameters, any number of statements)."""
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    for name in names:
        connection.execute((HERE / "sql" / f"{name}.sql").read_text("utf-8"))


def load_data(op: Operations, *tables: str) -> None:
    """Fills each table from ``data/<table>.csv``, whose header names the columns."""
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    for table in tables:
        text = (HERE / "data" / f"{table}.csv").read_text("utf-8")
        columns = ", ".join(next(csv.reader(text.splitlines())))
        with connection.cursor().copy(f"COPY {table} ({columns}) FROM STDIN (FORMAT csv, HEADER)") as copy:
            copy.write(text)


def make_lookup(op: Operations, function: str, data: str) -> None:
    """Makes the immutable SQL function ``function(text)`` that tells what ``data/<data>.csv`` says of a word.

    Its first column is the word, the others are returned joined by a blank. A constant inside a function is looked up
    in a fraction of the time that a query of a table takes.
    """
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    with (HERE / "data" / f"{data}.csv").open(encoding="utf-8", newline="") as rows:
        words = {word: " ".join(rest) for word, *rest in list(csv.reader(rows))[1:]}
    connection.execute(
        sql.SQL(
            "CREATE FUNCTION {}(word text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN {}::jsonb ->> word"
        ).format(sql.Identifier(function), sql.Literal(json.dumps(words)))
    )
