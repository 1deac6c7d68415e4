"""Start the system for the notifier's benchmarks: servers, workers as deployed, and a stand-in for the providers."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import dramatiq
import psutil  # type: ignore[import-untyped]
import psycopg

from bench.servers import LEADS, leads_server, redis_server
from local.paths import ROOT
from local.settings import DEFAULTS
from notifier.core import db
from notifier.lookups import listener

Connection = psycopg.Connection[tuple[int, ...]]


@dataclass(frozen=True)
class Usage:
    """The CPU seconds that a worker and its main process have used, and the larger process's peak memory in bytes."""

    cpu: float
    memory: int


class Worker:
    """A running ``dramatiq notifier`` for one queue."""

    def __init__(self, queue_name: str, threads: int) -> None:
        command = [str(Path(sys.executable).with_name("dramatiq")), "notifier", "-p", "1", "-t", str(threads)]
        self._process = psutil.Popen(
            [*command, "-Q", queue_name], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def usage(self) -> Usage:
        """Return the total CPU time of the worker's processes, and the peak memory of the largest process."""
        processes = [self._process, *self._process.children(recursive=True)]
        cpu = sum(sum(one.cpu_times()[:2]) for one in processes)
        return Usage(cpu, max(_peak_memory(one.pid) for one in processes))

    def stop(self) -> None:
        """Stop the worker; kill it if it still runs after 30 seconds."""
        self._process.terminate()
        with suppress(psutil.TimeoutExpired):
            self._process.wait(30)
        if self._process.is_running():
            self._process.kill()


@contextmanager
def system(postgres_settings: Mapping[str, str] | None = None) -> Iterator[Connection]:
    """Start PostgreSQL and Redis, and configure the notifier to use them; yield a connection to the leads database."""
    before = dict(os.environ)
    with leads_server(postgres_settings) as postgres, redis_server() as redis:
        os.environ.update(
            {
                **DEFAULTS,
                "DATABASE_URL": postgres.url(LEADS),
                "REDIS_URL": redis.url,
                "MIAMI_DADE_DAILY_UNIT_CAP": "100000000",
                "MIAMI_DADE_SUBSCRIBER_UNIT_CAP": "100000000",
                "NOTIFIER_SECRET_KEY": "c2VjcmV0LWtleS1vZi10aGUtYmVuY2gtMzItYnl0ZXM=",
                "NO_PROXY": "127.0.0.1",
            }
        )
        # Close the broker's connections to an earlier benchmark's Redis.
        dramatiq.get_broker().close()
        try:
            with psycopg.connect(postgres.url(LEADS), autocommit=True) as connection:
                yield connection
        finally:
            listener.close()
            db.close()
            os.environ.clear()
            os.environ.update(before)


@contextmanager
def provider(latency: float, *, sendgrid: float | None = None) -> Iterator[None]:
    """Start the providers' stand-in, which answers each request after ``latency`` seconds.

    If ``sendgrid`` is given, it is the latency of SendGrid's answers.
    """
    email_latency = latency if sendgrid is None else sendgrid
    command = [sys.executable, "-m", "bench.stand_in", "--latency", str(latency), "--email-latency", str(email_latency)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = f"http://127.0.0.1:{int(process.stdout.readline())}"
        os.environ |= {"SENDGRID_API_URL": url, "MIAMI_DADE_API_URL": f"{url}/Developers/api"}
        try:
            yield
        finally:
            process.terminate()


@contextmanager
def worker(connection: Connection, queue_name: str, threads: int) -> Iterator[Worker]:
    """Start a worker for one queue; yield it when it is ready."""
    with workers(connection, (queue_name, threads)) as (running,):
        yield running


@contextmanager
def workers(connection: Connection, *queues: tuple[str, int]) -> Iterator[list[Worker]]:
    """Start a worker for each pair of queue name and thread count; yield the workers when all of them are ready."""
    running = [Worker(queue_name, threads) for queue_name, threads in queues]
    ready = "SELECT count(DISTINCT queue_name) FROM lane_status"
    try:
        wait_until(lambda: connection.execute(ready).fetchone() == (len(queues),))
        yield running
    finally:
        with ThreadPoolExecutor(len(running)) as pool:
            list(pool.map(Worker.stop, running))
        connection.execute("DELETE FROM lane_status")


def wait_until(true: Callable[[], object], seconds: float = 120) -> None:
    """Wait until ``true`` returns a true value. Raises TimeoutError after ``seconds`` seconds."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"the condition was still false after {seconds:g} s")
        time.sleep(0.01)


def make_leads(connection: Connection, subscribers: int, leads: int) -> list[dict[str, int]]:
    """Insert subscribers and leads; return the arguments for one alert per lead.

    The alerts are distributed among the subscribers.
    """
    users = connection.execute(
        "INSERT INTO users (email, first_name, subscription_status, token_balance)"
        " SELECT 'person' || n || '@example.com', 'Pat', 'active', 1000000 FROM generate_series(1, %s) AS n"
        " RETURNING id",
        [subscribers],
    ).fetchall()
    made = connection.execute(
        "WITH places AS (INSERT INTO properties (folio_number, address, city, zip, owner_name, assessed_value)"
        "   SELECT '31' || lpad((coalesce(b.most, 0) + n)::text, 11, '0'), (100 + n) || ' SW 8 ST', 'Miami', '33130',"
        "          'DOE JANE', 400000"
        "   FROM generate_series(1, %s) AS n, (SELECT count(*) AS most FROM properties) b RETURNING id)"
        " INSERT INTO leads (property_id, lead_type, lead_date, lead_score, estimated_equity)"
        " SELECT id, 'foreclosure', current_date, 50 + id %% 50, 250000 FROM places RETURNING id",
        [leads],
    ).fetchall()
    connection.execute("ANALYZE")
    return [{"subscriber_id": users[n % len(users)][0], "lead_id": lead} for n, (lead,) in enumerate(made)]


def _peak_memory(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text("utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0
