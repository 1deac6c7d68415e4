"""Measure the queue's statements while 5 million deliveries are finished, 2 million wait, and 100,000 are due."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from statistics import quantiles
from typing import Any
from uuid import uuid4

import psycopg
from psycopg.rows import dict_row

from bench.notifier_system import system
from bench.operators_data import index, load
from bench.tables import print_table

FINISHED = 5_000_000
LATER = 2_000_000
DUE = 100_000
FOREIGN_EVENTS = 200_000
SUBSCRIBERS = 200_000
ROUNDS = 20
TABLES = ("users", "deliveries", "delivery_events", "token_entries")

Connection = psycopg.Connection[Any]


def run(scale: float) -> None:
    """Print the time of each statement that workers, the leader, metrics and dashboards run."""
    with system() as connection:
        began = time.perf_counter()
        fill(connection, scale)
        print(f"filled in {time.perf_counter() - began:.0f} s", flush=True)
        times = measure(connection)
    rows = [[name, *_percentiles(found), max(found)] for name, found in times.items()]
    print_table("statements of the queue", ["", "p50, ms", "p95, ms", "most, ms"], rows)


def fill(connection: Connection, scale: float = 1.0) -> None:
    """Insert the load without triggers, then count it as the migration does."""
    numbers = {
        "subscribers": max(int(SUBSCRIBERS * scale), 100),
        "finished": int(FINISHED * scale),
        "later": int(LATER * scale),
        "due": int(DUE * scale),
        "events": int(FOREIGN_EVENTS * scale),
    }
    load(connection, "queue_load", numbers, TABLES)
    index(connection, TABLES)
    connection.execute("CALL refresh_is_due()")
    connection.execute("CALL recount_metrics()")
    for table in ("deliveries", "metric_changes"):
        connection.execute(f"VACUUM (ANALYZE) {table}")


def measure(connection: Connection) -> Mapping[str, list[float]]:
    """Return the times (ms) of each statement on a filled database."""
    timed = {name: _times(connection, task) for name, task in tasks().items()}
    sweeps = [name for name in timed if name.startswith("leader: ")]
    timed["leader: one whole round"] = [sum(found) for found in zip(*(timed[name] for name in sweeps), strict=True)]
    return timed


def claim(connection: Connection, queue: str, limit: int) -> object:
    """Claim deliveries as a worker does."""
    from notifier.core.db import statement
    from notifier.core.queues import QUEUES, kinds_of

    parameters = {"queue": queue, "kinds": list(kinds_of(QUEUES[queue])), "limit": limit, "claim": uuid4()}
    with connection.pipeline(), connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('notifier:emails'))")
        claimed = connection.execute(statement("deliveries/claim"), parameters)
        cursor.execute("COMMIT")
    return claimed.fetchall()


def tasks() -> Mapping[str, Callable[[Connection], object]]:
    """Return the work of workers, the leader and the readers of metrics, by name."""
    from notifier.core.db import rows
    from notifier.core.queues import KINDS, QUEUES
    from notifier.deliveries import provider_events
    from notifier.maintenance import operator_actions, sweep, tasks
    from operations.monitoring.queue_metrics import record_queue_metrics

    def read(connection: Connection, name: str, **parameters: object) -> object:
        with connection.cursor(row_factory=dict_row) as cursor:
            return rows(cursor, name, **parameters)

    def events(connection: Connection) -> object:
        with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
            return provider_events.apply_some(cursor)

    lanes = {"process": "bench", "queues": sorted(QUEUES), "active": [0] * len(QUEUES)}
    return {
        "claim, nothing is due": lambda c: claim(c, "sms-notifications", 20),
        "leader: sweep": sweep.sweep,
        "leader: apply events": events,
        "leader: mark due": tasks.mark_due_deliveries,
        "leader: due queues": lambda c: read(c, "maintenance/due_queues", kinds=list(KINDS)),
        "leader: ledger backlog": tasks.write_ledger_backlog,
        "leader: sweep lookups": tasks.sweep_lookups,
        "leader: operator actions": operator_actions.continue_operator_actions,
        "leader: refresh after merge": tasks.refresh_after_merge,
        "heartbeat": lambda c: read(c, "broker/heartbeat", **lanes),
        "fold counts": tasks.fold_metric_changes,
        "metrics": lambda c: read(c, "web/metrics", queues=sorted(QUEUES), cap=500),
        "status": lambda c: read(c, "deliveries/queue_status", queues=sorted(QUEUES)),
        "queue_metrics": record_queue_metrics,
        "claim 500": lambda c: claim(c, "email-workflows", 500),
    }


def _times(connection: Connection, task: Callable[[Connection], object]) -> list[float]:
    times = []
    for _ in range(ROUNDS + 1):
        began = time.perf_counter()
        task(connection)
        times.append((time.perf_counter() - began) * 1000)
    return times[1:]


def _percentiles(times: list[float]) -> tuple[float, float]:
    parts = quantiles(times, n=20, method="inclusive")
    return parts[9], parts[18]
