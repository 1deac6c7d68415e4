"""Measure each step of ingesting one county day, from archived files to alerts, and compare the steps with the floor.

The floor is the minimum time PostgreSQL needs (``bench.floor``). Each step runs in a separate process, as a task does,
so that the step's peak memory can be measured.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psycopg

from bench import floor, plans
from bench.county_days import PARCELS, load_history, write_day
from bench.memory import BackendPeak, own_peak
from bench.servers import LEADS, folder, leads_server
from bench.tables import print_table
from county import feeds, pipeline, runs
from county.fetch import Fetched
from county.settings import settings
from county.staging import stage_file
from leads.business_days import add_business_days
from local.postgres import PostgresServer

SMALL, BIG, HISTORY = 200_000, 1_000_000, 2_000_000
"""Number of documents in a day, in a very large day, and in the two years before."""

DAY = date(2026, 11, 20)
HEADER = ["step", "seconds", "rows/s", "process MB", "backend MB", "floor s", "times the floor", "replay s"]

Action = Callable[[psycopg.Connection], None]
"""What a task does, given its connection."""


TASKS = get_context("forkserver")
"""Starts processes that have imported what a task needs and hold no data from the benchmark."""


@dataclass(frozen=True)
class Step:
    """The seconds that one step takes, and the peak memory in bytes of its process and of PostgreSQL's backends."""

    seconds: float
    process: int
    backend: int


@dataclass(frozen=True)
class County:
    """A leads database, and one day's files."""

    url: str
    server_pid: int
    day: date
    files: Mapping[str, Path]
    documents: int


def run(scale: float) -> None:
    """Measure the ingestion of a county day in each of three cases.

    The cases are a normal day on an empty database, a very large day on an empty database, and a normal day on a
    database with two years of documents.
    """
    TASKS.set_forkserver_preload([__name__])
    small, big, history = (int(count * scale) for count in (SMALL, BIG, HISTORY))
    for documents in (small, big):
        with leads_server() as server, folder("files") as files:
            _bench(server, files, documents, DAY, "an empty database")
    with leads_server() as server, folder("files") as files:
        with connected(server.url(LEADS)) as connection:
            load_history(connection, int(PARCELS * scale), history)
            connection.execute("VACUUM ANALYZE")
            connection.execute("CHECKPOINT")
        _bench(server, files, small, DAY, f"{history:,} documents of two years before")
        _explain(server, files, small, add_business_days(DAY, 1))


def _bench(server: PostgresServer, files: Path, documents: int, day: date, known: str) -> None:
    county = County(server.url(LEADS), server.child.pid, day, write_day(files, day, documents), documents)
    first = _run_day(county)
    # The second run matches addresses to the parcels that the first run added. Later runs change nothing.
    together = _run_again(county)
    rows_before = _row_versions(county)
    replay = _run_day(county)
    rewritten = len(rows_before ^ _row_versions(county))
    least = floor.copy_files(county.url, county.files)
    inserted = floor.insert_rows(county.url, day)
    least["merge"] = sum(seconds for _, seconds in inserted.values())
    _print(county, known, first, together, replay, least)
    print(f"a replay of the unchanged day rewrote {rewritten} of {len(rows_before):,} rows outside staging and rejects")


def _explain(server: PostgresServer, files: Path, documents: int, day: date) -> None:
    county = County(server.url(LEADS), server.child.pid, day, write_day(files, day, documents), documents)
    with connected(county.url) as connection, plans.explained(connection) as found:
        ingestion_id, actions = open_run(county)
        for action in actions.values():
            action(connection)
        runs.close_run(connection, ingestion_id)
    plans.print_slowest(found, 3)


def _print(
    county: County,
    known: str,
    first: Mapping[str, Step],
    together: float,
    replay: Mapping[str, Step],
    least: Mapping[str, float],
) -> None:
    files = list(county.files)
    sums = {"stage": files, "stage, merge, leads": [*files, "merge", "make_leads"], "all steps": list(first)}
    rows = county.documents * 3  # two parties each

    def line(name: str, steps: list[str]) -> list[object]:
        seconds = sum(first[step].seconds for step in steps)
        lowest = sum(least.get(step, 0.0) for step in steps)
        return [
            name,
            seconds,
            round(rows / seconds),
            max(first[step].process for step in steps) >> 20,
            max(first[step].backend for step in steps) >> 20,
            lowest or None,
            seconds / lowest if lowest else None,
            sum(replay[step].seconds for step in steps),
        ]

    table = [line(step, [step]) for step in first] + [line(name, steps) for name, steps in sums.items()]
    table.insert(len(files), ["both at once, as in the DAG", together, round(rows / together)] + [None] * 5)
    print_table(f"{county.documents:,} documents, {rows - county.documents:,} parties; {known}", HEADER, table)
    print(f"{floor.client()} copied the files for the floor; sums are for steps that run one after another")


def _run_day(county: County) -> dict[str, Step]:
    """Run the day's tasks one after another, each in a separate process; return each step's measurements."""
    ingestion_id, actions = open_run(county)
    done = {name: _measure(county, action) for name, action in actions.items()}
    with connected(county.url) as connection:
        runs.close_run(connection, ingestion_id)
    return done


def _measure(county: County, action: Action) -> Step:
    peak = BackendPeak(county.server_pid)
    with TASKS.Pool(1) as process, peak.watching():
        seconds, memory = process.apply(timed, (county.url, action))
    return Step(seconds, memory, peak.bytes)


def _run_again(county: County) -> float:
    """Run the day again; return how many seconds two concurrent tasks take to stage both files."""
    ingestion_id, actions = open_run(county)
    with TASKS.Pool(len(county.files)) as processes:
        done = processes.starmap(timed, [(county.url, actions.pop(name)) for name in county.files], chunksize=1)
    with connected(county.url) as connection:
        for action in actions.values():
            action(connection)
        runs.close_run(connection, ingestion_id)
    return max(seconds for seconds, _ in done)


def timed(url: str, action: Action) -> tuple[float, int]:
    """Run ``action`` in this process; return the seconds it takes and the process's peak memory in bytes."""
    with connected(url) as connection:
        started = time.perf_counter()
        action(connection)
        return time.perf_counter() - started, own_peak()


def stage(connection: psycopg.Connection, county: County, run: runs.Run, name: str) -> None:
    """Stage one file of the day."""
    with county.files[name].open("rb") as stream:
        stage_file(
            connection,
            run.feed.file(name),
            stream,
            ingestion_id=run.ingestion_id,
            feed=run.feed.name,
            day=county.day,
            object_name=f"daily/{county.day}/{name}",
            max_rejected_percent=settings.max_rejected_percent,
        )


def step(connection: psycopg.Connection, run: runs.Run, name: str, options: Any) -> None:
    """Run the ``county.pipeline`` step ``name``."""
    getattr(pipeline, name)(connection, run, **options)


@contextmanager
def connected(url: str) -> Iterator[psycopg.Connection]:
    """Yield a connection with the same ``work_mem`` as a task's connection.

    Tasks connect through ``county.hooks``, which needs Airflow.
    """
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        connection.execute("SET work_mem = '64MB'")
        yield connection


def open_run(county: County) -> tuple[int, dict[str, Action]]:
    """Open a run for the day; return its ``ingestion_id`` and the action of each task."""
    feed = feeds.feed("daily")
    with connected(county.url) as connection:
        run = runs.open_run(connection, feed, f"bench-{time.time_ns()}", county.day)
        fetched = [
            Fetched(name, f"daily/{county.day}/{name}", "", path.stat().st_size) for name, path in county.files.items()
        ]
        for file in fetched:
            runs.record_file(connection, run, file)
    actions: dict[str, Action] = {name: partial(stage, county=county, run=run, name=name) for name in county.files}
    for name in ("match", "merge", "make_leads", "write_alerts"):
        options = {"today": county.day, "max_age_days": 3} if name == "write_alerts" else {}
        actions[name] = partial(step, run=run, name=name, options=options)
    return run.ingestion_id, actions


def _row_versions(county: County) -> set[tuple[str, str, str]]:
    """Return the physical version of each row of the main tables. Any write to a row changes its version."""
    tables = ("properties", "document_versions", "party_versions", "leads", "deliveries")
    with connected(county.url) as connection:
        return {
            row
            for table in tables
            for row in connection.execute(f"SELECT '{table}', ctid::text, xmin::text FROM {table}")
        }
