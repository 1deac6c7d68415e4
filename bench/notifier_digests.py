"""Measure how fast digests go out that are due for all subscribers at the same minute."""

from __future__ import annotations

import time
from datetime import timedelta

from bench.notifier_system import Connection, provider, system, wait_until, worker
from bench.tables import print_table
from leads.clock import local_day, now
from operations.mailings.scheduled import open_digests

SUBSCRIBERS = 200_000
LEADS = 2_000
LATENCY = 0.02


def run(scale: float) -> None:
    """Print how long the digests of all subscribers take, from the moment at which they are due."""
    subscribers = max(int(SUBSCRIBERS * scale), 1_000)
    with system() as connection:
        make_subscribers(connection, subscribers)
        began = time.perf_counter()
        open_digests(connection, local_day(now()), today=local_day(now()))
        enqueueing = time.perf_counter() - began
        connection.execute("ANALYZE")
        with provider(LATENCY), worker(connection, "email-workflows", 50) as running:
            before = running.usage()
            connection.execute("UPDATE deliveries SET not_before = now() + interval '2 s', due_at = now()")
            connection.execute("SELECT pg_sleep(2)")
            began = time.perf_counter()
            left = "SELECT 1 FROM deliveries WHERE state IN ('queued', 'sending') LIMIT 1"
            wait_until(lambda: connection.execute(left).fetchone() is None, seconds=1800)
            seconds = time.perf_counter() - began
            cpu = running.usage().cpu - before.cpu
        states = connection.execute(
            "SELECT string_agg(state || ' ' || n, ', ') FROM (SELECT state, count(*) AS n"
            " FROM deliveries GROUP BY state) s"
        ).fetchone()
    header = ["digests", "enqueueing, s", "until all are out, s", "digests/s", "worker CPU s / 1,000", "states"]
    row = [subscribers, enqueueing, seconds, subscribers / seconds, cpu / subscribers * 1000, states and states[0]]
    print_table(f"digests that are due at once, provider {LATENCY * 1000:.0f} ms", header, [row])


def make_subscribers(connection: Connection, subscribers: int) -> None:
    """Insert subscribers with criteria, and leads that were announced since yesterday."""
    connection.execute(
        "INSERT INTO users (email, first_name, subscription_status, token_balance)"
        " SELECT 'person' || n || '@example.com', 'Pat', 'active', 1000 FROM generate_series(1, %s) AS n",
        [subscribers],
    )
    connection.execute(
        "INSERT INTO subscriber_lead_criteria (subscriber_id, lead_types, cities, min_score, channels)"
        " SELECT id, CASE id %% 3 WHEN 0 THEN '{new_homeowner}'::text[] WHEN 1 THEN '{foreclosure}' ELSE"
        "   '{foreclosure,probate,eviction}' END,"
        "   CASE WHEN id %% 4 = 0 THEN '{}'::text[] ELSE ARRAY[(ARRAY['Miami','Hialeah','Doral'])[1 + id %% 3]] END,"
        "   50 + id %% 40, '{email}' FROM users",
        [],
    )
    connection.execute(
        "WITH places AS (INSERT INTO properties (folio_number, address, city, zip, owner_name, assessed_value)"
        "   SELECT '31' || lpad(n::text, 11, '0'), (100 + n) || ' SW 8 ST',"
        "          (ARRAY['Miami','Hialeah','Doral','Aventura'])[1 + n %% 4], '33130', 'DOE JANE', 400000"
        "   FROM generate_series(1, %s) AS n RETURNING id)"
        " INSERT INTO leads (property_id, lead_type, lead_date, lead_score, estimated_equity, source_reference,"
        "                    announced_at)"
        " SELECT id, (ARRAY['new_homeowner','foreclosure','probate','eviction'])[1 + id %% 4], current_date,"
        "        60 + id %% 40, 250000, '2026-' || id, now() - %s * (id %% 100) FROM places",
        [LEADS, timedelta(minutes=10)],
    )
