"""Runs parts of a step at the same time, each in its own transaction. A part that is repeated changes nothing."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing, contextmanager
from queue import SimpleQueue
from typing import Any

import psycopg

Counts = dict[str, int]
Slice = Mapping[str, Any]
Part = Callable[[psycopg.Connection], Counts]

#: A merge reads the results of earlier merges, so only one merge runs at a time, across all feeds and dates.
MERGE_LOCK = "leads:merge"

#: Each part of a merge holds this lock in shared mode. After a task is killed, PostgreSQL may take some seconds to
#: notice that the task's connections are closed, and until then their last parts may still commit.
PART_LOCK = "leads:merge-part"

#: The bounds of the slice that contains everything: file numbers from ``first`` up to, but not including, ``end``.
EVERYTHING: Slice = {
    "first_year": -(2**62),
    "first_seq": 0,
    "end_year": 2**62,
    "end_seq": 0,
    "first_folio": "",
    "end_folio": None,
}


def cores() -> int:
    """Return the number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def merge_lock(connection: psycopg.Connection) -> Iterator[None]:
    """Hold the lock of merges for several transactions. If the process is killed, PostgreSQL releases the lock."""
    connection.execute("SELECT pg_advisory_lock(hashtext(%s))", (MERGE_LOCK,))
    try:
        connection.execute(
            "SELECT pg_advisory_lock(hashtext(%(part)s)), pg_advisory_unlock(hashtext(%(part)s))", {"part": PART_LOCK}
        )
        yield
    finally:
        if not connection.closed:
            connection.execute("SELECT pg_advisory_unlock(hashtext(%s))", (MERGE_LOCK,))


def lock_merges(connection: psycopg.Connection) -> None:
    """Wait until no merge is running, and take the lock of merges until the transaction ends."""
    for name in (MERGE_LOCK, PART_LOCK):
        connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (name,))


def slices_between(bounds: Sequence[Slice]) -> list[Slice]:
    """Return the slices that begin at ``bounds``, and the slice before them. Together they contain everything."""
    ends = [{name.replace("first_", "end_"): value for name, value in bound.items()} for bound in bounds]
    return [{**EVERYTHING, **first, **end} for first, end in zip([{}, *bounds], [*ends, {}], strict=True)]


def run_parts(connection: psycopg.Connection, parts: Sequence[Part], connections: int) -> Counts:
    """Run each part in its own transaction, up to ``connections`` at the same time; return the sums of their counts.

    One connection is ``connection`` itself; for more, other connections to the same database are opened. After the
    first error, the parts that are running are cancelled, and the error is raised. Parts that have ended stay
    committed.
    """
    connections = min(connections, len(parts))
    if connections <= 1:
        return _total(_run(connection, part) for part in parts)
    with ExitStack() as stack:
        sessions = [stack.enter_context(closing(_another(connection))) for _ in range(connections)]
        free: SimpleQueue[psycopg.Connection] = SimpleQueue()
        for session in sessions:
            free.put(session)

        def run(part: Part) -> Counts:
            session = free.get()
            try:
                return _run(session, part)
            finally:
                free.put(session)

        executor = ThreadPoolExecutor(connections)
        try:
            futures = [executor.submit(run, part) for part in parts]
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
            return _total(future.result() for future in futures)
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            for session in sessions:
                session.cancel_safe(timeout=5)
            raise
        finally:
            executor.shutdown()


def _run(connection: psycopg.Connection, part: Part) -> Counts:
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock_shared(hashtext(%s))", (PART_LOCK,))
        return part(connection)


def _another(connection: psycopg.Connection) -> psycopg.Connection:
    """Return a connection to the same database with the same session settings."""
    info = connection.info
    parameters: dict[str, Any] = {**info.get_parameters(), "password": info.password}
    another = psycopg.connect(**parameters, autocommit=True)
    settings = connection.execute("SELECT name, setting FROM pg_settings WHERE source = 'session'").fetchall()
    for name, value in settings:
        another.execute("SELECT set_config(%s, %s, false)", (name, value))
    return another


def _total(counts: Iterable[Counts]) -> Counts:
    total: Counter[str] = Counter()
    for count in counts:
        total.update(count)
    return dict(total)
