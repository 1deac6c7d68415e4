"""``GET /metrics`` for Prometheus, read from PostgreSQL: the same from every process, whoever did the work.

Open to whoever reaches it, like ``/health``: numbers of things, names of kinds, nothing about anybody.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from threading import Lock

from fastapi import APIRouter, Response
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector
from psycopg.rows import DictRow

from leads import settings
from notifier.core.db import rows, transaction
from notifier.core.queues import QUEUES

router = APIRouter()

#: Each metric: what it is, and the names of its labels in the order of the SQL's values.
METRICS: dict[str, tuple[str, Sequence[str]]] = {
    "notifier_deliveries": (
        "Deliveries opened within 24 hours, and older ones still open",
        ("channel", "kind", "state"),
    ),
    "notifier_wait_seconds": ("From due to first claim, of the last hour", ("channel", "kind", "quantile")),
    "notifier_send_seconds": ("From claim to acceptance, of the last hour", ("channel", "kind", "quantile")),
    "notifier_callback_lag_seconds": ("From event to callback, of the last hour", ("provider", "quantile")),
    "notifier_lookup_seconds": ("From question to answer of the county's API, of the last hour", ("quantile",)),
    "notifier_queue_due": ("Deliveries and lookups that are due now", ("queue",)),
    "notifier_queue_oldest_age_seconds": ("How long the oldest of them has been due", ("queue",)),
    "notifier_lane_processes": ("Worker processes heard of within 30 seconds", ("queue",)),
    "notifier_breaker_open": ("Whether the lane's provider refuses everything", ("queue",)),
    "notifier_unknown": ("Deliveries of which nobody knows whether they were sent", ()),
    "notifier_parked": ("Deliveries that wait for a human", ()),
    "notifier_dead_letters_open": ("Dead letters that nobody has looked at", ("queue",)),
    "notifier_calls_in_progress": ("Calls in progress", ()),
    "notifier_events_waiting": ("Callbacks stored and not applied yet", ()),
    "notifier_units_used": ("Units of the county's API used today", ()),
    "notifier_units_cap": ("Units of the county's API that may be used today", ()),
    "notifier_ledger_drift": ("Balances that are not what their entries add up to (within 5 minutes)", ()),
    "notifier_open_holds": ("Token holds neither settled nor released (within 5 minutes)", ()),
}
#: What a query may take (s), so that asking for metrics never becomes the trouble.
PATIENCE = 5


@dataclass
class Remembered:
    """The answer of ``ask``, asked again when it is older than ``seconds``; one caller asks for all."""

    ask: Callable[[], list[DictRow]]
    seconds: float
    _asked_at: float = field(default=float("-inf"))
    _answer: list[DictRow] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def __call__(self) -> list[DictRow]:
        with self._lock:
            if time.monotonic() - self._asked_at > self.seconds:
                self._answer = self.ask()
                self._asked_at = time.monotonic()
            return self._answer

    def forget(self) -> None:
        self._asked_at = float("-inf")


def _now() -> list[DictRow]:
    cap = settings.number("MIAMI_DADE_DAILY_UNIT_CAP", 500)
    with transaction(timeout=PATIENCE) as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", (f"{PATIENCE}s",))
        return rows(cursor, "web/metrics", queues=list(QUEUES), cap=cap)


def _ledger() -> list[DictRow]:
    with transaction(timeout=PATIENCE) as cursor:
        return rows(cursor, "web/ledger_metrics")


class Measurements(Collector):
    """Everything in METRICS, as it is when Prometheus asks."""

    def __init__(self) -> None:
        self.sources = (Remembered(_now, 5), Remembered(_ledger, 300))

    def collect(self) -> Iterator[Metric]:
        families = {name: GaugeMetricFamily(name, what, labels=labels) for name, (what, labels) in METRICS.items()}
        for source in self.sources:
            for row in source():
                families[row["metric"]].add_metric(row["labels"], float(row["value"]))
        yield from families.values()

    def describe(self) -> list[Metric]:
        return []  # without it, registering would ask the database


MEASUREMENTS = Measurements()
_registry = CollectorRegistry()
_registry.register(MEASUREMENTS)


@router.get("/metrics")
def metrics() -> Response:
    """The text format that every Prometheus reads."""
    return Response(generate_latest(_registry), media_type=CONTENT_TYPE_PLAIN_0_0_4)
