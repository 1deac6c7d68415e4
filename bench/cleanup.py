"""For each table, compare the time to clean up a million rows with the time for plain statements on a copy."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

import psycopg

from bench.servers import LEADS, folder, leads_server
from bench.tables import print_table
from county.archive import FileArchive
from operations.retention import cleanup
from operations.retention.rules import RULES

ROWS = 1_000_000
OLD = "now() - interval '100 days'"

#: Table → the statement that fills it. Every delivery has one event.
LOADS = {
    "queue_metrics": f"INSERT INTO queue_metrics (queue_name, recorded_at) SELECT 'email-workflows', {OLD} FROM n",
    "miami_dade_api_logs": (
        "INSERT INTO miami_dade_api_logs (query_type, query_params, units_consumed, response_status, triggered_by,"
        f" created_at) SELECT 'folio', jsonb_build_object('folio', n), 1, 'Success', 'property_lookup', {OLD} FROM n"
    ),
    "deliveries": (
        "INSERT INTO deliveries (channel, kind, dedupe_key, state, provider_id, recipient, sender, tokens, accepted_at,"
        " created_at) SELECT 'email', 'new_lead_alert', 'lead:' || n || ':user:1:new_lead_alert', 'delivered',"
        f" 'p' || n, n || '@example.com', 'leads@example.com', 1, {OLD}, {OLD} FROM n"
    ),
    "delivery_events": (
        "INSERT INTO delivery_events (delivery_id, provider, event, event_key)"
        " SELECT id, 'sendgrid', 'delivered', id::text FROM deliveries"
    ),
}
BARE = {
    "queue_metrics": ["DELETE FROM bare_queue_metrics"],
    "miami_dade_api_logs": ["DELETE FROM bare_miami_dade_api_logs"],
    "deliveries": [
        "DELETE FROM bare_delivery_events",
        "UPDATE bare_deliveries SET provider_id = NULL, recipient = NULL, sender = NULL, emptied_at = now()",
    ],
}


def run(scale: float) -> None:
    """For each table, print how many seconds the clean-up and the plain statements take."""
    count = int(ROWS * scale)
    with (
        folder("archive") as home,
        leads_server() as server,
        psycopg.connect(server.url(LEADS), autocommit=True) as connection,
    ):
        for table, load in LOADS.items():
            connection.execute(f"WITH n AS (SELECT generate_series(1, {count}) AS n) {load}")
            connection.execute(f"CREATE TABLE bare_{table} (LIKE {table} INCLUDING ALL)")
            connection.execute(f"INSERT INTO bare_{table} SELECT * FROM {table}")
        connection.execute("VACUUM ANALYZE")
        rows = []
        for table, statements in BARE.items():
            bare = _seconds(connection, statements)
            ours = _clean(connection, home, table)
            rows.append((table, bare, ours, ours * 1e6 / count, ours / bare))
        header = ["table", "bare, s", "clean-up, s", "s per million rows", "times bare"]
        print_table(f"cleaning up {count:,} rows of each table (deliveries: with as many events)", header, rows)


def _seconds(connection: psycopg.Connection, statements: Sequence[str]) -> float:
    connection.execute("CHECKPOINT")
    started = time.perf_counter()
    for statement in statements:
        connection.execute(statement)
    return time.perf_counter() - started


def _clean(connection: psycopg.Connection, home: Path, table: str) -> float:
    rules = tuple(rule for rule in RULES if rule.table == table)
    connection.execute("CHECKPOINT")
    started = time.perf_counter()
    with patch.object(cleanup, "RULES", rules):
        cleanup.clean_up(connection, FileArchive(home), moment=datetime.now(UTC), dry_run=False)
    return time.perf_counter() - started
