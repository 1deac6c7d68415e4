"""Fill a leads database with the load for which the operators' pages are built."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg

from county.feeds import FEEDS
from leads.sql import statement
from operations.monitoring.queue_metrics import QUEUES

DELIVERIES = 5_000_000
SUBSCRIBERS = 20_000
DEAD_LETTERS = 100_000
#: Settings of the server for the load. With the WAL level ``minimal``, rows of a truncated table need no log.
SETTINGS = {
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "8GB",
    "maintenance_work_mem": "1GB",
    "autovacuum": "off",
}
TABLES = {
    "users": "fill_subscribers",
    "leads": "fill_leads",
    "deliveries": "fill_deliveries",
    "delivery_attempts": "fill_attempts",
    "failed_jobs": "fill_dead_letters",
    "queue_metrics": "fill_history",
    "data_ingestion_logs": "fill_runs",
    "delivery_events": "fill_events",
}

Connection = psycopg.Connection[Any]


def fill(connection: Connection, scale: float) -> None:
    """Fill the tables with ``scale`` times the full load. The connection must be a superuser's, in autocommit mode."""
    numbers = sizes(scale)
    connection.execute("SELECT setseed(0.5)")
    for table, name in TABLES.items():
        began = time.perf_counter()
        _load(connection, table, name, numbers)
        print(f"filled {table} in {time.perf_counter() - began:.0f} s", flush=True)


def sizes(scale: float) -> dict[str, Any]:
    """Return the parameters of the statements that fill the tables."""
    deliveries = max(int(DELIVERIES * scale), 1_000)
    return {
        "deliveries": deliveries,
        "subscribers": max(int(SUBSCRIBERS * scale), 10),
        "leads": deliveries // 10,
        "dead_letters": max(int(DEAD_LETTERS * scale), 20),
        "queues": list(QUEUES),
        "samples": int(90 * 24 * 12 * min(scale, 1)),
        "types": [feed.ingestion_type for feed in FEEDS],
        "days": 365,
    }


def _load(connection: Connection, table: str, name: str, numbers: Mapping[str, Any]) -> None:
    """Fill an empty table without its triggers and indexes, then build its indexes."""
    with connection.transaction():
        connection.execute(f"TRUNCATE {table} RESTART IDENTITY CASCADE")
        load(connection, name, numbers, [table])
    index(connection, [table])
    connection.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))")


def load(connection: Connection, name: str, numbers: Mapping[str, Any], tables: Sequence[str]) -> None:
    """Run the statements in ``sql/<name>.sql`` without triggers, and without the indexes of the tables that they fill.

    Call ``index`` afterwards.
    """
    with connection.transaction():
        connection.execute("SET LOCAL session_replication_role = replica")
        _use_indexes(connection, tables, use=False)
        psycopg.ClientCursor(connection).execute(statement(f"bench/{name}"), {**numbers})
        _use_indexes(connection, tables, use=True)


def index(connection: Connection, tables: Sequence[str]) -> None:
    """Build the indexes of the tables, and collect statistics."""
    for table in tables:
        # A REINDEX in the transaction that filled the table could not use parallel workers.
        connection.execute(f"REINDEX TABLE {table}")
        connection.execute(f"VACUUM (ANALYZE) {table}")


def _use_indexes(connection: Connection, tables: Sequence[str], *, use: bool) -> None:
    connection.execute(
        "UPDATE pg_index SET indisready = %s WHERE indrelid = ANY (%s::regclass[]) AND NOT indisprimary",
        (use, list(tables)),
    )
