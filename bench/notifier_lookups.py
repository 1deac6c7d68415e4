"""How long a lookup takes when the lane idles, what idling costs, and lookups beside a draining backlog of e-mail."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import count
from statistics import median
from typing import cast

import dramatiq

from bench.notifier_system import Connection, make_leads, provider, system, wait_until, worker, workers
from bench.tables import print_table

LOOKUPS = 500
LATENCY = 0.005
BACKLOG = 20_000
MAIL_LATENCY = 0.05
NO_OPS = 5_000
IDLE_SECONDS = 10.0
RUNS = 3
LANE = "api-property-lookup"

_folios = count(3_000_000_000_000)


def run(scale: float) -> None:
    with system() as connection:
        user = make_leads(connection, 1, 1)[0]["subscriber_id"]
        idle, share, memory = _idle(connection, user, max(int(LOOKUPS * scale), 50), IDLE_SECONDS * max(scale, 0.1))
        rows: list[list[object]] = [["idle, county 5 ms", *_percentiles(idle)]]
        backlog = max(int(BACKLOG * scale), 500)
        for number in range(max(round(RUNS * scale), 1)):
            waits = beside_mail(connection, user, backlog)
            rows.append([f"beside {backlog:,} e-mails, all 50 ms, run {number + 1}", *_percentiles(waits)])
        print_table("lookups: ms", ["", "lookups", "p50", "p95", "p99"], rows)
        print_table(
            "the idle lane",
            ["", "value"],
            [["share of a core, percent", share * 100], ["peak memory, MB", memory / 1e6]],
        )
        print_table(
            "messages that do nothing, one lane",
            ["", "messages/s"],
            [["e-mail lane", _no_ops(connection, max(int(NO_OPS * scale), 200))]],
        )


def median_p95(runs: list[list[float]]) -> float:
    """The median of the runs' 95th percentiles, in seconds."""
    return median(sorted(waits)[int(len(waits) * 0.95)] for waits in runs)


def _idle(connection: Connection, user: int, lookups: int, seconds: float) -> tuple[list[float], float, int]:
    with provider(LATENCY), worker(connection, LANE, 10) as running:
        list(_timed(user, 20, pause=0.0))
        before = running.usage().cpu
        time.sleep(seconds)
        share = (running.usage().cpu - before) / seconds
        return list(_timed(user, lookups, pause=0.02)), share, running.usage().memory


def beside_mail(connection: Connection, user: int, backlog: int) -> list[float]:
    """Lookups, one after another, for as long as the e-mail lane drains its backlog; each lane has its process."""
    import notifier

    connection.execute("TRUNCATE deliveries, delivery_events, token_entries, failed_jobs CASCADE")
    pairs = make_leads(connection, 500, backlog)
    alert = notifier.new_lead_alert
    with (
        provider(MAIL_LATENCY),
        workers(connection, (LANE, 10), ("email-workflows", 50), ("sms-notifications", 20)),
    ):
        list(_timed(user, 10, pause=0.0))
        alert.open(replace(alert.request(**pair), delay=timedelta(days=1)) for pair in pairs)
        connection.execute("UPDATE deliveries SET not_before = now()")
        first = "SELECT 1 FROM deliveries WHERE state IN ('sending', 'accepted') LIMIT 1"
        left = "SELECT 1 FROM deliveries WHERE state IN ('queued', 'sending') LIMIT 1"
        wait_until(lambda: connection.execute(first).fetchone())
        waits: list[float] = []
        while connection.execute(left).fetchone():
            waits += _timed(user, 1, pause=0.0)
    return waits


def _timed(user: int, lookups: int, *, pause: float) -> Iterator[float]:
    """Looks up so many folios that nobody has asked for; yields how long (s) each took."""
    import notifier

    for folio in map(str, (next(_folios) for _ in range(lookups))):
        time.sleep(pause)
        began = time.perf_counter()
        notifier.lookup(folio, user)
        yield time.perf_counter() - began


def _no_ops(connection: Connection, messages: int) -> float:
    """Bells of a lane in which nothing is due: what Redis, Dramatiq and one empty claim cost."""
    from notifier.broker.redis_broker import NotifierBroker
    from notifier.broker.wakeups import DRAIN_ACTORS
    from notifier.core.queues import EMAIL

    broker = cast(NotifierBroker, dramatiq.get_broker())
    bell = DRAIN_ACTORS[EMAIL.queue_name]
    with worker(connection, EMAIL.queue_name, EMAIL.concurrency):
        for _ in range(messages):
            broker.enqueue(bell.message())
        waiting = broker.waiting(EMAIL)
        began = time.perf_counter()
        wait_until(lambda: broker.waiting(EMAIL) == 0)
        return waiting / (time.perf_counter() - began)


def _percentiles(waits: list[float]) -> list[object]:
    ordered = sorted(waits)
    return [len(waits), *(ordered[min(int(len(waits) * p), len(waits) - 1)] * 1000 for p in (0.5, 0.95, 0.99))]
