"""``GET /metrics`` for Prometheus.

The metrics come from PostgreSQL, so every web process gives the same answer. Like ``/health``, this page needs no
token: it shows counts and the names of delivery kinds, but no personal data.
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

from notifier.core.db import records, transaction
from notifier.core.queues import QUEUES
from notifier.core.settings import settings
from notifier.web.single_flight import SingleFlight

router = APIRouter()

#: The description and the labels of each metric. The SQL queries return the values of the labels in the same order.
METRICS: dict[str, tuple[str, Sequence[str]]] = {
    "notifier_deliveries": (
        "Deliveries enqueued within 24 hours, and older deliveries that are not finished",
        ("channel", "kind", "state"),
    ),
    "notifier_wait_seconds": (
        "Time from the due time of a delivery to its first claim, in the last hour",
        ("channel", "kind", "quantile"),
    ),
    "notifier_send_seconds": (
        "Time from the claim to acceptance by the provider, in the last hour",
        ("channel", "kind", "quantile"),
    ),
    "notifier_callback_lag_seconds": (
        "Time from a provider's event to its callback, in the last hour",
        ("provider", "quantile"),
    ),
    "notifier_lookup_seconds": ("Time from a lookup to the county API's answer, in the last hour", ("quantile",)),
    "notifier_queue_due": ("Deliveries and lookups that are due now", ("queue",)),
    "notifier_queue_oldest_age_seconds": ("Age of the oldest due delivery or lookup", ("queue",)),
    "notifier_lane_processes": ("Worker processes with a heartbeat within 30 seconds", ("queue",)),
    "notifier_breaker_open": (
        "1 if the queue's breaker is open: its provider refuses every request or asks for a pause",
        ("queue",),
    ),
    "notifier_queue_paused": ("1 if an operator has paused the queue", ("queue",)),
    "notifier_kind_breaker_open": ("1 if the breaker of a delivery kind is open", ("kind",)),
    "notifier_unknown": ("Deliveries whose outcome is unknown", ()),
    "notifier_parked": ("Deliveries that wait for an operator", ()),
    "notifier_dead_letters_open": ("Open dead letters", ("queue",)),
    "notifier_calls_in_progress": ("Calls in progress", ()),
    "notifier_events_waiting": ("Callbacks stored but not yet applied", ()),
    "notifier_units_used": ("Units of the county's API used today", ()),
    "notifier_units_cap": ("Units of the county's API that may be used today", ()),
    "notifier_ledger_drift": ("Balances that differ from the sum of their entries (up to 5 minutes old)", ()),
    "notifier_open_holds": ("Token holds neither settled nor released (up to 5 minutes old)", ()),
}
#: A query for metrics is canceled after this time (s), so that metrics never overload the database.
TIMEOUT = 5


@dataclass(frozen=True)
class Sample:
    """A value of a metric, with the values of its labels."""

    metric: str
    labels: list[str]
    value: float


@dataclass
class CachedSamples:
    """Caches the samples from ``read`` for ``seconds`` seconds. Concurrent callers share one read."""

    read: Callable[[], list[Sample]]
    seconds: float
    _read_at: float = field(default=float("-inf"))
    _samples: list[Sample] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def __call__(self) -> list[Sample]:
        """Return the samples."""
        with self._lock:
            if time.monotonic() - self._read_at > self.seconds:
                self._samples = self.read()
                self._read_at = time.monotonic()
            return self._samples

    def clear(self) -> None:
        """Clear the cache, so that the next call reads again."""
        self._read_at = float("-inf")


def _read_current() -> list[Sample]:
    cap = settings.miami_dade_daily_unit_cap
    with transaction(timeout=TIMEOUT) as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", (f"{TIMEOUT}s",))
        return records(cursor, Sample, "web/metrics", queues=list(QUEUES), cap=cap)


def _read_ledger() -> list[Sample]:
    with transaction(timeout=TIMEOUT) as cursor:
        return records(cursor, Sample, "web/ledger_metrics")


class MetricsCollector(Collector):
    """Collects the values of all METRICS when Prometheus requests them."""

    def __init__(self) -> None:
        self.sources = (CachedSamples(_read_current, 5), CachedSamples(_read_ledger, 300))

    def collect(self) -> Iterator[Metric]:
        """Yield each metric with its current values."""
        families = {name: GaugeMetricFamily(name, text, labels=labels) for name, (text, labels) in METRICS.items()}
        for source in self.sources:
            for sample in source():
                families[sample.metric].add_metric(sample.labels, float(sample.value))
        yield from families.values()

    def describe(self) -> list[Metric]:
        """Return nothing, so that registering the collector does not query the database."""
        return []


COLLECTOR = MetricsCollector()
_registry = CollectorRegistry()
_registry.register(COLLECTOR)


def _text() -> bytes:
    return generate_latest(_registry)


_shared_text = SingleFlight(_text, timeout=2 * TIMEOUT)


@router.get("/metrics")
async def metrics() -> Response:
    """Respond with the metrics in Prometheus's text format."""
    return Response(await _shared_text(), media_type=CONTENT_TYPE_PLAIN_0_0_4)
