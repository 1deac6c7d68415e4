"""``GET /metrics`` for Prometheus.

The metrics come from PostgreSQL, so every web process gives the same answer. Like ``/health``, this page needs no
token: it shows counts and the names of delivery kinds, but no personal data.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from threading import Lock

from fastapi import APIRouter, Response
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from notifier.core.db import records, transaction
from notifier.core.queues import QUEUES
from notifier.core.settings import settings
from notifier.web.single_flight import SingleFlight

router = APIRouter()


@dataclass(frozen=True)
class Description:
    """A metric's family, its description, and the names of its labels in the order in which the query returns them."""

    family: type[GaugeMetricFamily] | type[CounterMetricFamily] | type[HistogramMetricFamily]
    text: str
    labels: Sequence[str] = ()


METRICS: dict[str, Description] = {
    "notifier_deliveries": Description(
        CounterMetricFamily, "Deliveries that have entered a state", ("channel", "kind", "state")
    ),
    "notifier_open_deliveries": Description(
        GaugeMetricFamily,
        "Deliveries that are due now, due later, being sent, of unknown outcome, or parked for an operator",
        ("channel", "kind", "state"),
    ),
    "notifier_wait_seconds": Description(
        HistogramMetricFamily, "Time from the due time of an attempt to its start", ("channel", "kind")
    ),
    "notifier_send_seconds": Description(
        HistogramMetricFamily, "Time from the start of an attempt until the provider accepted it", ("channel", "kind")
    ),
    "notifier_callback_lag_seconds": Description(
        HistogramMetricFamily, "Time from a provider's event to its callback", ("provider",)
    ),
    "notifier_lookup_seconds": Description(HistogramMetricFamily, "Time from a lookup to its end", ("state",)),
    "notifier_queue_due": Description(GaugeMetricFamily, "Deliveries and lookups that are due now", ("queue",)),
    "notifier_queue_oldest_age_seconds": Description(
        GaugeMetricFamily, "Age of the oldest due delivery or lookup", ("queue",)
    ),
    "notifier_lane_processes": Description(
        GaugeMetricFamily, "Worker processes with a heartbeat within 30 seconds", ("queue",)
    ),
    "notifier_breaker_open": Description(
        GaugeMetricFamily,
        "1 if the queue's breaker is open: its provider refuses every request or asks for a pause",
        ("queue",),
    ),
    "notifier_queue_paused": Description(GaugeMetricFamily, "1 if an operator has paused the queue", ("queue",)),
    "notifier_kind_breaker_open": Description(
        GaugeMetricFamily, "1 if the breaker of a delivery kind is open", ("kind",)
    ),
    "notifier_dead_letters_open": Description(GaugeMetricFamily, "Open dead letters", ("queue",)),
    "notifier_calls_in_progress": Description(GaugeMetricFamily, "Calls in progress"),
    "notifier_events_waiting": Description(GaugeMetricFamily, "Callbacks stored but not yet applied (10000 at most)"),
    "notifier_units_used": Description(GaugeMetricFamily, "Units of the county's API used today"),
    "notifier_units_cap": Description(GaugeMetricFamily, "Units of the county's API that may be used today"),
    "notifier_ledger_drift": Description(
        GaugeMetricFamily, "Problems that the last check of the token ledger found (the check runs once an hour)"
    ),
    "notifier_open_holds": Description(GaugeMetricFamily, "Token holds neither settled nor released"),
}
#: A query for metrics is canceled after this time (s), so that metrics never overload the database.
TIMEOUT = 5
#: The upper bounds (s) of the histograms' buckets. The SQL function histogram_bound has the same bounds.
BOUNDS = (
    *("0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "5.0", "10.0", "30.0", "60.0"),
    *("300.0", "900.0", "3600.0", "14400.0", "86400.0", "+Inf"),
)


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


def _read() -> list[Sample]:
    cap = settings.miami_dade_daily_unit_cap
    with transaction(timeout=TIMEOUT) as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", (f"{TIMEOUT}s",))
        return records(cursor, Sample, "web/metrics", queues=list(QUEUES), cap=cap)


def _families(samples: Iterable[Sample]) -> Iterator[Metric]:
    """Yield each metric with its samples."""
    found: dict[str, list[Sample]] = {}
    for sample in samples:
        found.setdefault(sample.metric, []).append(sample)
    for name, metric in METRICS.items():
        family = metric.family(name, metric.text, labels=metric.labels)
        if isinstance(family, HistogramMetricFamily):
            _add_histograms(family, found.get(name, ()), found.get(f"{name}_sum", ()))
        else:
            for sample in found.get(name, ()):
                family.add_metric(sample.labels, sample.value)
        yield family


def _add_histograms(family: HistogramMetricFamily, counts: Iterable[Sample], sums: Iterable[Sample]) -> None:
    """Add one histogram for each set of labels. The last label of each count is the bucket's upper bound."""
    found: dict[tuple[str, ...], dict[str, float]] = {}
    for sample in counts:
        *labels, bound = sample.labels
        found.setdefault(tuple(labels), {})[bound] = sample.value
    total = {tuple(sample.labels): sample.value for sample in sums}
    for key, buckets in found.items():
        below = accumulate(buckets.get(bound, 0) for bound in BOUNDS)
        family.add_metric(list(key), list(zip(BOUNDS, below, strict=True)), total.get(key, 0))


class MetricsCollector(Collector):
    """Collects the values of all METRICS when Prometheus requests them."""

    def __init__(self) -> None:
        self.source = CachedSamples(_read, 1)

    def collect(self) -> Iterator[Metric]:
        """Yield each metric with its current values."""
        yield from _families(self.source())

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
