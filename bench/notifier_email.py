"""Measure how fast the notifier enqueues e-mails, and at what speed and cost it sends a backlog."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

from bench.notifier_system import Connection, make_leads, provider, system, wait_until, worker
from bench.tables import print_table

SUBSCRIBERS = 500
ALERTS = 5_000


def run(scale: float) -> None:
    """Print how fast e-mails are enqueued and sent."""
    alerts = max(int(ALERTS * scale), 500)
    with system() as connection:
        print_table("enqueueing deliveries", ["", "rows", "rows/s"], _enqueueing(connection, alerts))
        rows = [[f"{latency * 1000:.0f} ms", *drain(connection, latency, alerts)] for latency in (0.0, 0.02)]
        header = ["provider latency", "e-mails", "e-mails/s", "worker CPU s / 1,000", "peak MB"]
        print_table("draining a backlog of new_lead_alert, one process", header, rows)


def _enqueueing(connection: Connection, alerts: int) -> list[list[object]]:
    import notifier
    from notifier.core import db

    pairs = make_leads(connection, SUBSCRIBERS, alerts)
    single = pairs[: alerts // 2]
    notifier.new_lead_alert.send(**single[0])
    began = time.perf_counter()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda pair: notifier.new_lead_alert.send(**pair), single))
    one_by_one = time.perf_counter() - began
    many = make_leads(connection, SUBSCRIBERS, 4 * alerts)
    began = time.perf_counter()
    notifier.send_many(notifier.new_lead_alert, many)
    at_once = time.perf_counter() - began
    connection.execute("UPDATE deliveries SET not_before = 'infinity'")
    db.close()
    return [
        [".send(), eight threads", len(single), len(single) / one_by_one],
        ["send_many", len(many), len(many) / at_once],
    ]


def drain(connection: Connection, latency: float, alerts: int) -> tuple[int, float, float, float]:
    """Send a backlog with one worker process.

    Returns the number of e-mails, the rate (1/s), the worker's CPU seconds per 1,000 e-mails, and its peak memory (MB).
    """
    import notifier

    pairs = make_leads(connection, SUBSCRIBERS, alerts)
    with provider(latency), worker(connection, "email-workflows", 50) as running:
        first = connection.execute("SELECT coalesce(max(id), 0) FROM deliveries").fetchone()
        assert first is not None
        # Insert all rows and let the worker become idle before the first row is due.
        alert = notifier.new_lead_alert
        alert.enqueue(replace(alert.build_request(**pair), delay=timedelta(days=1)) for pair in pairs)
        time.sleep(2)
        before = running.usage()
        connection.execute("UPDATE deliveries SET not_before = now() WHERE id > %s", first)
        left = "SELECT 1 FROM deliveries WHERE id > %s AND state IN ('queued', 'sending') LIMIT 1"
        wait_until(lambda: connection.execute(left, first).fetchone() is None)
        ended = connection.execute(
            "SELECT extract(epoch FROM clock_timestamp() - min(claimed_at)), count(*) FROM deliveries"
            " WHERE id > %s AND state = 'accepted'",
            first,
        ).fetchone()
        assert ended is not None
        after = running.usage()
    seconds, sent = float(ended[0]), int(ended[1])
    assert sent == alerts, f"{sent} of {alerts} were sent"
    return sent, sent / seconds, (after.cpu - before.cpu) / sent * 1000, after.memory / 1e6
