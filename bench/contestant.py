"""Run what the Node.js design's benchmarks run, on this system. Prints one JSON line for each result.

``bench.side_by_side`` starts this module in turns with the other design's benchmarks.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date

from bench import notifier_email, notifier_lookups
from bench.ingestion import TASKS, County, connected, open_run, timed
from bench.notifier_system import Connection, make_leads, provider, system, wait_until, worker, workers
from bench.peer_files import write_peer_day
from bench.servers import LEADS, folder, leads_server
from county import runs

DAY = date(2026, 11, 20)
CASES, EMAILS, SENDS, LOOKUPS, BACKLOG = 200_000, 5_000, 4_000, 500, 20_000
#: Settings of the other design's PostgreSQL server.
POSTGRES = {"shared_buffers": "512MB", "max_wal_size": "4GB", "max_connections": "200", "wal_compression": "off"}
EMAIL_LATENCY = 0.02

Result = dict[str, object]


def ingest() -> Iterator[Result]:
    """Ingest a day, then the same files again. Both files are staged at once, as in the DAG."""
    with leads_server(POSTGRES) as server, folder("files") as files:
        county = County(server.url(LEADS), server.child.pid, DAY, write_peer_day(files, DAY, CASES), CASES)
        for name in ("first", "replay"):
            yield {"bench": "ingest", "pass": name, **_ingest(county)}


def _ingest(county: County) -> Result:
    ingestion_id, actions = open_run(county)
    seconds: dict[str, float] = {}
    with TASKS.Pool(len(county.files)) as processes:
        processes.map(str, county.files)  # start the processes
        began = time.perf_counter()
        processes.starmap(timed, [(county.url, actions.pop(name)) for name in county.files], chunksize=1)
        seconds["stage_s"] = time.perf_counter() - began
        for name, action in actions.items():
            seconds[f"{name}_s"] = processes.apply(timed, (county.url, action))[0]
    with connected(county.url) as connection:
        runs.close_run(connection, ingestion_id)
    measured = ("stage_s", "match_s", "merge_s", "make_leads_s")
    return {**seconds, "total_s": sum(seconds[name] for name in measured)}


def email() -> Iterator[Result]:
    """Drain a backlog of e-mails with one worker process, and enqueue deliveries one by one."""
    with system(POSTGRES) as connection:
        for threads in (1, 8):
            yield {"bench": "enqueue", "threads": threads, "per_s": _enqueue(connection, threads)}
        for latency in (0.0, 0.02):
            _, rate, cpu, _ = notifier_email.drain(connection, latency, EMAILS)
            yield {
                "bench": "email",
                "provider_ms": round(latency * 1000),
                "jobs_per_s": rate,
                "worker_cpu_s_per_1000": cpu,
            }


def _enqueue(connection: Connection, threads: int) -> float:
    import notifier

    pairs = make_leads(connection, 1_000, SENDS)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda pair: notifier.new_lead_alert.send(**pair), pairs[:200]))
        began = time.perf_counter()
        list(pool.map(lambda pair: notifier.new_lead_alert.send(**pair), pairs[200:]))
        seconds = time.perf_counter() - began
    connection.execute("UPDATE deliveries SET state = 'cancelled'")
    return (len(pairs) - 200) / seconds


def lookup() -> Iterator[Result]:
    """Look up one folio after another, first in an idle system, then while workers drain a backlog of e-mails."""
    with system(POSTGRES) as connection:
        user = make_leads(connection, 1, 1)[0]["subscriber_id"]
        with provider(notifier_lookups.LATENCY), worker(connection, notifier_lookups.QUEUE, 10):
            list(notifier_lookups.timed_lookups(user, 50, pause=0.0))
            waits = list(notifier_lookups.timed_lookups(user, LOOKUPS, pause=0.0))
        yield {"bench": "lookup", "load": "idle", **_summary(waits)}
        with _draining(connection):
            began, before = time.perf_counter(), _sent(connection)
            waits = list(notifier_lookups.timed_lookups(user, LOOKUPS, pause=0.0))
            rate = (_sent(connection) - before) / (time.perf_counter() - began)
            left = BACKLOG - _sent(connection)
        yield {
            "bench": "lookup",
            "load": "email drain",
            **_summary(waits),
            "emails_per_s_meanwhile": rate,
            "emails_left_after": left,
        }


@contextmanager
def _draining(connection: Connection) -> Iterator[None]:
    """Start workers as deployed, and yield when they have sent the first 500 e-mails of the backlog."""
    import notifier

    pairs = make_leads(connection, 500, BACKLOG)
    queues = ((notifier_lookups.QUEUE, 10), ("email-workflows", 50), ("sms-notifications", 20))
    with provider(notifier_lookups.LATENCY, sendgrid=EMAIL_LATENCY), workers(connection, *queues):
        list(notifier_lookups.timed_lookups(pairs[0]["subscriber_id"], 10, pause=0.0))
        notifier.send_many(notifier.new_lead_alert, pairs)
        wait_until(lambda: _sent(connection) >= 500)
        yield


def _sent(connection: Connection) -> int:
    row = connection.execute("SELECT count(*) FROM deliveries WHERE state = 'accepted'").fetchone()
    assert row is not None
    return row[0]


def _summary(waits: list[float]) -> Result:
    ordered = sorted(waits)
    at = {f"p{p}_ms": ordered[min(int(len(ordered) * p / 100), len(ordered) - 1)] * 1000 for p in (50, 95, 99)}
    return {"n": len(ordered), **at}


CONTESTS = {"ingest": ingest, "email": email, "lookup": lookup}


def main() -> int:
    """Run the contests that the arguments name. Returns the exit code."""
    for name in sys.argv[1:] or CONTESTS:
        for result in CONTESTS[name]():
            print(json.dumps({"stack": "here", **result}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
