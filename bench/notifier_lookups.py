"""Measure lookups in an idle system and during an e-mail backlog, and measure an idle worker's CPU and memory use."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import count
from statistics import median

import dramatiq

from bench.notifier_system import Connection, make_leads, provider, system, wait_until, worker, workers
from bench.tables import print_table

LOOKUPS = 500
LATENCY = 0.005
BACKLOG = 20_000
EMAIL_LATENCY = 0.05
NO_OPS = 5_000
IDLE_SECONDS = 10.0
RUNS = 3
QUEUE = "api-property-lookup"

_folios = count(3_000_000_000_000)


def run(scale: float) -> None:
    """Print the lookup latencies, the CPU and memory that an idle worker uses, and the rate of empty wake-ups."""
    with system() as connection:
        user = make_leads(connection, 1, 1)[0]["subscriber_id"]
        idle, share, memory = _idle(connection, user, max(int(LOOKUPS * scale), 50), IDLE_SECONDS * max(scale, 0.1))
        rows: list[list[object]] = [["idle, county 5 ms", *_percentiles(idle)]]
        backlog = max(int(BACKLOG * scale), 500)
        for number in range(max(round(RUNS * scale), 1)):
            waits = beside_email(connection, user, backlog)
            rows.append([f"beside {backlog:,} e-mails, all 50 ms, run {number + 1}", *_percentiles(waits)])
        print_table("lookups: ms", ["", "lookups", "p50", "p95", "p99"], rows)
        print_table(
            "the idle worker",
            ["", "value"],
            [["share of a core, percent", share * 100], ["peak memory, MB", memory / 1e6]],
        )
        print_table(
            "wake-ups of an empty queue",
            ["", "messages/s"],
            [["email-workflows", _no_ops(connection, max(int(NO_OPS * scale), 200))]],
        )


def median_p95(runs: list[list[float]]) -> float:
    """Return the median of the runs' 95th percentiles, in seconds."""
    return median(sorted(waits)[int(len(waits) * 0.95)] for waits in runs)


def _idle(connection: Connection, user: int, lookups: int, seconds: float) -> tuple[list[float], float, int]:
    with provider(LATENCY), worker(connection, QUEUE, 10) as running:
        list(timed_lookups(user, 20, pause=0.0))
        before = running.usage().cpu
        time.sleep(seconds)
        share = (running.usage().cpu - before) / seconds
        return list(timed_lookups(user, lookups, pause=0.02)), share, running.usage().memory


def beside_email(connection: Connection, user: int, backlog: int) -> list[float]:
    """Look up one parcel after another while workers drain an e-mail backlog; return the seconds of each lookup.

    Each queue has its own worker process.
    """
    import notifier

    connection.execute("TRUNCATE deliveries, delivery_events, token_entries, failed_jobs CASCADE")
    pairs = make_leads(connection, 500, backlog)
    alert = notifier.new_lead_alert
    with (
        provider(EMAIL_LATENCY),
        workers(connection, (QUEUE, 10), ("email-workflows", 50), ("sms-notifications", 20)),
    ):
        list(timed_lookups(user, 10, pause=0.0))
        alert.enqueue(replace(alert.build_request(**pair), delay=timedelta(days=1)) for pair in pairs)
        connection.execute("UPDATE deliveries SET not_before = now()")
        first = "SELECT 1 FROM deliveries WHERE state IN ('sending', 'accepted') LIMIT 1"
        left = "SELECT 1 FROM deliveries WHERE state IN ('queued', 'sending') LIMIT 1"
        wait_until(lambda: connection.execute(first).fetchone())
        waits: list[float] = []
        while connection.execute(left).fetchone():
            waits += timed_lookups(user, 1, pause=0.0)
    return waits


def timed_lookups(user: int, lookups: int, *, pause: float) -> Iterator[float]:
    """Look up folios that are not cached; yield how many seconds each lookup takes."""
    import notifier

    for folio in map(str, (next(_folios) for _ in range(lookups))):
        time.sleep(pause)
        began = time.perf_counter()
        notifier.lookup(folio, user)
        yield time.perf_counter() - began


def _no_ops(connection: Connection, messages: int) -> float:
    """Return how many wake-ups per second a worker handles when nothing is due. Each wake-up causes one empty claim."""
    from notifier.actors.drain import drain_email_workflows
    from notifier.broker.redis_broker import NotifierBroker
    from notifier.core.queues import EMAIL

    broker = dramatiq.get_broker()
    assert isinstance(broker, NotifierBroker)
    with worker(connection, EMAIL.queue_name, EMAIL.concurrency):
        for _ in range(messages):
            drain_email_workflows.send()
        waiting = broker.waiting(EMAIL)
        began = time.perf_counter()
        wait_until(lambda: broker.waiting(EMAIL) == 0)
        return waiting / (time.perf_counter() - began)


def _percentiles(waits: list[float]) -> list[object]:
    ordered = sorted(waits)
    return [len(waits), *(ordered[min(int(len(waits) * p), len(waits) - 1)] * 1000 for p in (0.5, 0.95, 0.99))]
