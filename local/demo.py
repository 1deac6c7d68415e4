"""Ingest one business day with a real Airflow scheduler, and deliver all of its alerts (``make demo``)."""

from __future__ import annotations

import time

import psycopg

from local import summary
from local.airflow_api import AirflowApi
from local.memory import PeakMemory
from local.paths import Paths
from local.progress import Failure, Progress
from local.runs import follow_run, start_run
from local.stack import Stack

DAG_ID = "daily_ftp_ingestion"
RUN_TIMEOUT = 600.0
DELIVERY_TIMEOUT = 300.0


def run_demo(places: Paths, progress: Progress, stack: Stack) -> None:
    """Start ``stack``, ingest the sandbox's business day, deliver its alerts and print the summary.

    The caller must stop the stack. Raises Failure, ServiceDied or Interrupted.
    """
    memory = PeakMemory(stack.sessions)
    memory.start()
    try:
        stack.start()
        api = stack.api()
        with progress.step("daily_ftp_ingestion"):
            day = stack.business_date
            run_id = start_run(stack, api, DAG_ID, {"business_date": day.isoformat()})
            progress.say(f"{DAG_ID} triggered for {day:%A, %d %B %Y}")
            _follow_run(stack, api, run_id)
        with progress.step("delivery of the alerts"):
            follow_deliveries(stack)
    finally:
        memory.stop()
    with psycopg.connect(stack.database_url) as connection:
        text = summary.report(connection, run_id, stack.sandbox, progress, memory.peak)
    progress.show(text)


def _follow_run(stack: Stack, api: AirflowApi, run_id: str) -> None:
    follow_run(stack, api, DAG_ID, run_id, timeout=RUN_TIMEOUT)
    runs = api.runs(DAG_ID)
    if len(runs) != 1:
        ids = ", ".join(str(run["dag_run_id"]) for run in runs)
        raise Failure(f"{DAG_ID} has {len(runs)} runs instead of one: {ids}")


def follow_deliveries(stack: Stack) -> None:
    """Wait until every delivery is finished; print the counts. Raises Failure after five minutes."""
    deadline = time.monotonic() + DELIVERY_TIMEOUT
    shown = ""
    next_line = 0.0
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        while True:
            counts = summary.delivery_counts(connection)
            text = ", ".join(f"{state} {count}" for state, count in sorted(counts.items()))
            waiting = sum(counts.get(state, 0) for state in ("queued", "sending", "unknown"))
            if text != shown and (time.monotonic() > next_line or not waiting):
                stack.progress.say(f"  deliveries: {text or 'none'}")
                shown, next_line = text, time.monotonic() + 2
            if not waiting:
                return
            if time.monotonic() > deadline:
                log = stack.places.log / "notifier.log"
                raise Failure(f"{waiting} alerts were not delivered within {DELIVERY_TIMEOUT:.0f} s", log)
            stack.pause()
