"""The page Overview: everything at one look, and what needs a hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from psycopg.rows import DictRow

from county.feed import Feed
from county.feeds import FEEDS
from leads.business_days import is_business_day
from leads.clock import local_day, now
from operations.monitoring.queue_metrics import QUEUES
from operations.pages import database
from operations.pages.charts import Chart, chart
from operations.pages.filters import one_of
from operations.pages.rendering import render
from operations.pages.shared_reads import SharedReads

router = APIRouter()

#: Range of the curves → the time that they show, and the time that one point stands for.
RANGES = {
    "hour": (timedelta(hours=1), timedelta(minutes=5)),
    "day": (timedelta(days=1), timedelta(minutes=15)),
    "week": (timedelta(days=7), timedelta(hours=2)),
}
STRIP_DAYS = 30
#: A queue needs attention when its oldest due delivery has waited longer than this (s).
SLOW_SECONDS = 120


@dataclass(frozen=True)
class QueueRow:
    """The state of a queue. ``oldest`` is the age (s) of the oldest delivery that is due."""

    name: str
    due: int
    deferred: int
    sending: int
    unknown: int
    parked: int
    oldest: float
    workers: int
    dead: int
    breaker_code: str | None
    breaker_reason: str | None
    breaker_opened_at: datetime | None
    next_trial_at: datetime | None
    stopped_kinds: str | None
    paused_at: datetime | None
    paused_by: str | None
    pause_reason: str | None

    @property
    def can_pause(self) -> bool:
        """Whether operators may pause the queue. Alerts to on-call must always go out."""
        return self.name != "admin-alerts"


class Problem(NamedTuple):
    """Something that needs a person: how urgent, what, and the address of the rows behind it."""

    level: str
    text: str
    link: str


class Day(NamedTuple):
    """A day of a feed's strip: the date, what became of it, a text for it, and the address of the run."""

    day: date
    status: str
    text: str
    run: int | None


@dataclass(frozen=True)
class Overview:
    """What the overview shows, read at one moment."""

    read_at: datetime
    queues: list[QueueRow]
    charts: dict[str, tuple[Chart, Chart]]
    units: DictRow
    causes: list[DictRow]
    alerts: list[DictRow]
    strips: dict[str, list[Day]]
    problems: list[Problem]


_shared = SharedReads[Overview]()


@router.get("/")
def overview(request: Request) -> Response:
    """Show the queues, the county's API, the feeds' runs and the open dead letters."""
    span = one_of("range", request.query_params.get("range"), RANGES, "hour")
    shown = _shared.get(request, span, lambda: _read(span))
    return render(request, "overview.html", span=span, ranges=tuple(RANGES), shown=shown)


def _read(span: str) -> Overview:
    with database.read() as connection:
        queues = database.records(connection, QueueRow, "overview_queues", queues=list(QUEUES))
        history = database.rows(
            connection, "overview_history", queues=list(QUEUES), span=RANGES[span][0], bucket=RANGES[span][1]
        )
        units = database.rows(connection, "overview_units")[0]
        causes = database.rows(connection, "overview_causes", limit=8)
        alerts = database.rows(connection, "overview_alerts")
        strips = _strips(connection)
    return Overview(
        read_at=now(),
        queues=queues,
        charts={queue.name: _charts(history, queue.name, span) for queue in queues},
        units=units,
        causes=causes,
        alerts=alerts,
        strips=strips,
        problems=_problems(queues, strips, units, alerts),
    )


def _charts(history: Iterable[DictRow], queue: str, span: str) -> tuple[Chart, Chart]:
    """Return a queue's charts: jobs completed and failed, and waits."""
    length, bucket = RANGES[span]
    found = {row["moment"].timestamp(): row for row in history if row["queue_name"] == queue}
    last = int(now().timestamp() // bucket.total_seconds() * bucket.total_seconds())
    moments = [last - step * bucket.total_seconds() for step in reversed(range(int(length / bucket)))]

    def series(column: str) -> list[float | None]:
        return [found[moment][column] if moment in found else None for moment in moments]

    return (
        chart(completed=series("completed"), failed=series("failed")),
        chart(p95=series("p95"), p50=series("p50")),
    )


def _strips(connection: database.Connection) -> dict[str, list[Day]]:
    """Return the last days of each feed, by the name of its DAG."""
    today = local_day(now())
    days = [today - timedelta(days=back) for back in reversed(range(STRIP_DAYS))]
    feeds = {feed.ingestion_type: feed for feed in FEEDS}
    runs = database.rows(connection, "overview_runs", since=days[0], types=list(feeds))
    found = {(run["ingestion_type"], run["day"]): run for run in runs}
    due = {(kind, one) for kind, feed in feeds.items() for one in _due_days(feed, days[0])}
    return {
        feed.dag_id: [_day(one, found.get((kind, one)), is_due=(kind, one) in due) for one in days]
        for kind, feed in feeds.items()
    }


def _due_days(feed: Feed, first: date) -> Iterable[date]:
    """Return the days since ``first`` on which a run of the feed should have ended by now."""
    until = now() - (feed.late_after or timedelta(days=1))
    days = {local_day(slot) for slot in feed.slots(first, until)}
    return (one for one in days if is_business_day(one) or not feed.skips_holidays)


def _day(day: date, run: DictRow | None, *, is_due: bool) -> Day:
    if run is None:
        return Day(day, "missing" if is_due else "none", "no run" if is_due else "no run was due", None)
    text = run["status"]
    if run["warnings"]:
        text += f", warnings: {run['warnings']}"
    if run["rejected"]:
        text += f", {run['rejected']:,} lines rejected"
    return Day(day, run["status"], text, run["id"])


def _problems(
    queues: Sequence[QueueRow], strips: dict[str, list[Day]], units: DictRow, alerts: Sequence[DictRow]
) -> list[Problem]:
    """Return what needs a person, the most urgent first."""
    found = [problem for queue in queues for problem in _queue_problems(queue)]
    found += [
        Problem("bad", f"On-call: {alert['subject']}", "#alerts") for alert in alerts if alert["severity"] == "critical"
    ]
    for dag_id, days in strips.items():
        last = next((one for one in reversed(days) if one.status != "none"), None)
        if last is not None and last.status in ("failed", "missing"):
            link = f"ingestion/{last.run}" if last.run else "ingestion"
            found.append(Problem("bad", f"{dag_id}: {last.text} for {last.day:%b} {last.day.day}", link))
    if units["cap"] is not None and units["used"] >= units["cap"]:
        found.append(Problem("warn", f"All {units['cap']} units of the county's API for today are used", "#units"))
    return sorted(found, key=lambda problem: problem.level)


def _queue_problems(queue: QueueRow) -> Iterable[Problem]:
    link = "deliveries?" + urlencode({"queue": queue.name, "state": "queued"})
    if queue.paused_at:
        yield Problem(
            "warn", f"{queue.name} is paused by {queue.paused_by}: {queue.pause_reason}", "actions?action=pause"
        )
    if not queue.workers:
        yield Problem("bad", f"No worker serves {queue.name}. Start one: dramatiq notifier", f"#{queue.name}")
    if queue.breaker_code:
        yield Problem("bad", f"{queue.name} is stopped: {queue.breaker_reason or queue.breaker_code}", link)
    if queue.stopped_kinds:
        yield Problem("bad", f"{queue.name}: stopped kinds: {queue.stopped_kinds}", link)
    if queue.oldest > SLOW_SECONDS and queue.workers and not (queue.paused_at or queue.breaker_code):
        yield Problem("warn", f"{queue.name}: the oldest due delivery has waited {queue.oldest / 60:.0f} min", link)
    if queue.parked:
        link = "deliveries?" + urlencode({"queue": queue.name, "state": "parked"})
        yield Problem("warn", f"{queue.name}: {queue.parked:,} parked deliveries wait for a decision", link)
