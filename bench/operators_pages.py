"""Measure the operators' pages at 5 million deliveries, 20 million events and 100,000 dead letters."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from itertools import islice
from statistics import quantiles
from typing import Any

import psycopg

from bench.operators_data import SETTINGS, fill, sizes
from bench.servers import LEADS, leads_server
from bench.tables import print_table
from leads.clock import local_day, now
from leads.sql import statement
from operations.pages.dead_letter_filter import DeadLetterFilter
from operations.pages.dead_letter_search import find_dead_letters, group_dead_letters, matching_dead_letter_ids
from operations.pages.delivery_export import export_deliveries
from operations.pages.delivery_filter import DeliveryFilter
from operations.pages.delivery_search import find_and_count, find_deliveries, matching_ids

#: Statements of one page may take this long (ms), at the 95th percentile.
LIMIT = 150
ROUNDS = 12
#: The statements of the page of one delivery.
STORY = (
    "delivery",
    "delivery_attempts",
    "delivery_events",
    "delivery_entries",
    "delivery_letters",
    "delivery_actions",
)

Connection = psycopg.Connection[Any]
Task = Callable[[Connection, int], object]


def run(scale: float) -> None:
    """Print the time of each page, list, search, group and count, and the slowest of them."""
    with leads_server(SETTINGS) as server, psycopg.connect(server.url(LEADS), autocommit=True) as connection:
        fill(connection, scale)
        measure(connection, scale)


def measure(connection: Connection, scale: float) -> None:
    """Measure a filled database."""
    timed = {name: _times(connection, task) for name, task in tasks(scale).items()}
    p95 = {name: _percentiles(times)[1] for name, times in timed.items()}
    rows = [[name, len(times), *_percentiles(times), max(times)] for name, times in timed.items()]
    print_table("operators' pages", ["", "runs", "p50, ms", "p95, ms", "most, ms"], rows)
    pages = _pages(p95)
    slowest = sorted(pages, key=lambda name: -pages[name])[:5]
    print_table("slowest pages, all statements together", ["", "p95, ms"], [[name, pages[name]] for name in slowest])
    print(f"\nabove {LIMIT} ms at p95: {', '.join(name for name in pages if pages[name] > LIMIT) or 'none'}")
    _print_whole(connection)


def tasks(scale: float) -> Mapping[str, Task]:
    """Return what the pages do, by name. The number of the round varies the parameters."""
    size = sizes(scale)
    found = {name: partial(_find, make) for name, make in _filters(size).items()}
    counted = {f"opened: {name}": partial(_count, make) for name, make in _filters(size).items()}
    letters = {f"dead letters: {name}": partial(_letters, make) for name, make in _letter_filters(size).items()}
    groups = {f"causes: {name}": partial(_groups, make) for name, make in _letter_filters(size).items()}
    overview: Mapping[str, Mapping[str, Any]] = {
        "overview_queues": {"queues": size["queues"]},
        "overview_causes": {"limit": 8},
        "overview_history": {"queues": size["queues"], "span": timedelta(days=7), "bucket": timedelta(hours=2)},
        "overview_runs": {"since": local_day(now()) - timedelta(days=29), "types": size["types"]},
        "overview_units": {},
        "overview_alerts": {},
    }
    statements = {name.replace("_", ": "): partial(_run, name, values) for name, values in overview.items()}
    story = {f"delivery: {name}": partial(_story, name, size["deliveries"]) for name in STORY}
    return {**statements, **story, **found, **counted, **letters, **groups}


def _filters(size: Mapping[str, Any]) -> Mapping[str, Callable[[int], Mapping[str, object]]]:
    """Return filters of deliveries, as functions of the round."""
    deliveries, subscribers, leads = size["deliveries"], size["subscribers"], size["leads"]
    today = local_day(now())
    states = ("failed", "dead", "parked", "undelivered", "skipped", "queued")
    kinds = ("new_lead_alert", "urgent_lead_sms", "campaign_call", "low_token_balance", "no_such_kind")
    return {
        "no filter": lambda n: {},
        "state": lambda n: {"state": states[n % len(states)]},
        "several states": lambda n: {"state": "failed,dead,parked,undelivered"},
        "state unknown or sending": lambda n: {"state": "unknown,sending"},
        "state delivered": lambda n: {"state": "delivered"},
        "queue": lambda n: {"queue": "voice-assistant"},
        "queue without deliveries": lambda n: {"queue": "admin-alerts"},
        "kind": lambda n: {"kind": kinds[n % len(kinds)]},
        "kind and state": lambda n: {"kind": kinds[n % len(kinds)], "state": states[n % len(states)]},
        "rare kind, common state": lambda n: {"kind": "low_token_balance", "state": "delivered"},
        "code": lambda n: {"code": f"code_{n}"},
        "code that no delivery has": lambda n: {"code": f"no_code_{n}"},
        "code of no such kind": lambda n: {"code": "insufficient_tokens", "kind": "no_such_kind"},
        "subscriber": lambda n: {"subscriber": subscribers * n // ROUNDS + 2},
        "subscriber with most deliveries": lambda n: {"subscriber": 1},
        "subscriber and state": lambda n: {"subscriber": 1 + n, "state": "dead"},
        "lead": lambda n: {"lead": leads * n // ROUNDS + 1},
        "folio": lambda n: {"folio": f"31{leads * n // ROUNDS + 1:011d}"},
        "one day": lambda n: {"since": today - timedelta(14 * n), "until": today - timedelta(14 * n)},
        "one day and kind": lambda n: {
            "since": today - timedelta(14 * n),
            "until": today - timedelta(14 * n),
            "kind": "campaign_call",
        },
        "half a year ago": lambda n: {"until": today - timedelta(175), "kind": "low_token_balance"},
        "waiting": lambda n: {"waiting": f"{1 + 10 * n}m"},
        "waiting for long": lambda n: {"waiting": f"{40 + n}d"},
        "waiting in queue": lambda n: {"waiting": "1h", "queue": "sms-notifications", "state": "queued"},
        "q: delivery or subscriber": lambda n: {"q": subscribers * n // ROUNDS + 1},
        "q: subscriber with most": lambda n: {"q": 1},
        "q: e-mail address": lambda n: {"q": f"Person{subscribers * n // ROUNDS + 2}@example.com"},
        "q: phone number": lambda n: {"q": f"(305) 2{subscribers * n // ROUNDS + 2:06d}"},
        "q: phone number of a lead": lambda n: {"q": f"786-2{leads * n // ROUNDS // 2 * 2:06d}"},
        "q: folio": lambda n: {"q": f"31{leads * n // ROUNDS + 1:011d}"},
        "q: dedupe key": lambda n: {"q": f"lead:{n + 1}:user:1:new_lead_alert"},
        "q: provider id that does not exist": lambda n: {"q": f"SM{n:032d}"},
        "q: rare text": lambda n: {"q": f"request {deliveries // 2 + n}"},
        "q: text that is nowhere": lambda n: {"q": f"no such error {n}"},
        "q: common text": lambda n: {"q": ("timed out", "HTTP 503", "refused", "spam")[n % 4]},
        "q: common text and state": lambda n: {"q": "timed out", "state": "parked"},
        "q: common text, rare kind": lambda n: {"q": "timed out", "kind": "low_token_balance"},
        "q: error code": lambda n: {"q": f"ode_{n}"},
        "q: wildcards": lambda n: {"q": ("100%", "_out_", "\\out")[n % 3]},
    }


def _letter_filters(size: Mapping[str, Any]) -> Mapping[str, Callable[[int], Mapping[str, object]]]:
    """Return filters of dead letters, as functions of the round."""
    today = local_day(now())
    return {
        "no filter": lambda n: {},
        "open": lambda n: {"state": "open"},
        "open of a queue": lambda n: {"state": "open", "queue": "voice-assistant"},
        "job that does not exist": lambda n: {"kind": "no_such_job"},
        "code": lambda n: {"code": f"code_{n}"},
        "one day": lambda n: {"since": today - timedelta(7 * n), "until": today - timedelta(7 * n)},
        "q: number": lambda n: {"q": n + 1},
        "q: rare text": lambda n: {"q": f"request {1000 + n}"},
        "q: text that is nowhere": lambda n: {"q": f"no such error {n}"},
        "q: common text": lambda n: {"q": "timed out"},
        "q: common text of a rare state": lambda n: {"q": "timed out", "state": "open", "queue": "admin-alerts"},
    }


def _parse(values: Mapping[str, object]) -> Mapping[str, str]:
    return {name: str(value) for name, value in values.items()}


def _find(make: Callable[[int], Mapping[str, object]], connection: Connection, number: int) -> object:
    """Return the first page in even rounds, and the second page in odd rounds."""
    wanted = DeliveryFilter.parse(_parse(make(number)))
    before = None if number % 2 == 0 else _before(connection)
    return find_deliveries(connection, wanted, before=before)


def _count(make: Callable[[int], Mapping[str, object]], connection: Connection, number: int) -> object:
    """Return the first page with the number of rows, as somebody who opens the page gets them."""
    wanted = DeliveryFilter.parse(_parse(make(number)))
    return find_and_count(connection, wanted, before=None, after=None, at_most=1_001)


def _letters(make: Callable[[int], Mapping[str, object]], connection: Connection, number: int) -> object:
    return find_dead_letters(connection, DeadLetterFilter.parse(_parse(make(number))))


def _groups(make: Callable[[int], Mapping[str, object]], connection: Connection, number: int) -> object:
    return group_dead_letters(connection, DeadLetterFilter.parse(_parse(make(number))))


def _run(name: str, parameters: Mapping[str, Any], connection: Connection, number: int) -> object:
    return connection.execute(statement(f"operations/pages/{name}"), parameters).fetchall()


def _story(name: str, deliveries: int, connection: Connection, number: int) -> object:
    return _run(name, {"id": deliveries * number // ROUNDS + 1, "limit": 1_000}, connection, number)


def _pages(p95: Mapping[str, float]) -> Mapping[str, float]:
    """Return the time of each page: the sum of its statements."""
    lists = {name: p95[name] for name in p95 if name.startswith("opened: ")}
    letters = {
        name: p95[name] + p95[name.replace("dead letters", "causes")] for name in p95 if name[:12] == "dead letters"
    }
    whole = {page: sum(p95[name] for name in p95 if name.startswith(f"{page}: ")) for page in ("overview", "delivery")}
    return {**whole, **lists, **letters}


def _before(connection: Connection) -> int:
    """Return a cursor in the middle of the deliveries."""
    row = connection.execute("SELECT max(id) / 2 FROM deliveries").fetchone()
    assert row is not None
    return int(row[0])


def _times(connection: Connection, task: Task) -> list[float]:
    """Return the times (ms) of a task, without the first run, which fills the caches."""
    times = []
    for number in range(ROUNDS + 1):
        began = time.perf_counter()
        task(connection, number % ROUNDS)
        times.append((time.perf_counter() - began) * 1000)
    return times[1:]


def _percentiles(times: list[float]) -> tuple[float, float]:
    parts = quantiles(times, n=20, method="inclusive")
    return parts[9], parts[18]


def _print_whole(connection: Connection) -> None:
    """Print how long reading all that match takes, which the pages do in the background."""
    failed = DeliveryFilter.parse({"state": "failed,dead"})
    kind = DeliveryFilter.parse({"kind": "low_token_balance"})
    everything = DeliveryFilter()
    whole: Mapping[str, Callable[[], int]] = {
        "ids of failed and dead deliveries": lambda: len(matching_ids(connection, failed)),
        "ids of a rare kind, no index": lambda: len(matching_ids(connection, kind)),
        "ids of all dead letters": lambda: len(matching_dead_letter_ids(connection, DeadLetterFilter())),
        "CSV, 50 parts of 2,000 deliveries": lambda: len(list(islice(export_deliveries(connection, everything), 50))),
    }
    rows = []
    for name, read in whole.items():
        began = time.perf_counter()
        rows.append([name, read(), time.perf_counter() - began])
    print_table("in the background", ["", "rows", "seconds"], rows)
