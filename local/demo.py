"""``make demo``: one business day through the real scheduler, to the last alert."""

from __future__ import annotations

import contextlib
import json
import time
from datetime import date
from pathlib import Path
from typing import Any

import psycopg

from local import summary
from local.airflow_api import AirflowApi
from local.memory import PeakMemory
from local.places import Places
from local.processes import last_lines
from local.progress import Failure, Progress
from local.stack import Stack

DAG_ID = "daily_ftp_ingestion"
RUN_TIMEOUT = 600.0
DELIVERY_TIMEOUT = 300.0
ENDED = ("success", "failed")


def run_demo(places: Places, progress: Progress, stack: Stack) -> None:
    """Starts ``stack``, runs the sandbox's business day, prints the summary.

    The caller stops the stack. Raises Failure, ServiceDied or Interrupted.
    """
    memory = PeakMemory(stack.sessions)
    memory.start()
    try:
        stack.start()
        api = stack.api()
        with progress.step("daily_ftp_ingestion"):
            run_id = _start_run(stack, api, stack.business_date)
            _follow_run(stack, api, run_id)
        with progress.step("delivery of the alerts"):
            _follow_deliveries(stack)
    finally:
        memory.stop()
    with psycopg.connect(stack.database_url) as connection:
        text = summary.report(connection, run_id, stack.sandbox, progress, memory.peak)
    progress.show(text)


def _start_run(stack: Stack, api: AirflowApi, day: date) -> str:
    """Creates the one run of the demo and lets the scheduler have it.

    Unpausing a DAG with a cron schedule makes the scheduler create a run for the latest slot that has passed, beside
    the one asked for. It does not when that slot has its run already. So the run is created while the DAG is paused,
    with the logical date of that slot, and its conf says which business date is meant.
    """
    dag = _wait_for_dag(stack, api)
    run_id = api.trigger(DAG_ID, dag["next_dagrun_logical_date"], {"business_date": day.isoformat()})
    api.pause(DAG_ID, False)
    stack.progress.say(f"{DAG_ID} triggered for {day:%A, %d %B %Y}")
    return run_id


def _wait_for_dag(stack: Stack, api: AirflowApi) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    log = stack.places.log / "dag-processor.log"
    while time.monotonic() < deadline:
        dag = api.dag(DAG_ID)
        if dag is not None and dag.get("next_dagrun_logical_date"):
            return dag
        if errors := [error for error in api.import_errors() if DAG_ID in error]:
            raise Failure(f"its file cannot be imported: {errors[0]}", log)
        stack.pause()
    raise Failure("Airflow did not find the DAG within 60 s", log)


def _follow_run(stack: Stack, api: AirflowApi, run_id: str) -> None:
    seen: dict[str, str] = {}
    deadline = time.monotonic() + RUN_TIMEOUT
    while time.monotonic() < deadline:
        tasks = api.task_instances(DAG_ID, run_id)
        for task in tasks:
            _tell_change(stack.progress, seen, task)
        state = api.run(DAG_ID, run_id)["state"]
        if state in ENDED or "up_for_retry" in seen.values():
            break
        stack.pause(0.4)
    else:
        raise Failure(f"the run had not ended after {RUN_TIMEOUT:.0f} s", stack.places.log / "scheduler.log")
    if state != "success":
        raise Failure(*_why_failed(stack, run_id, seen))
    runs = api.runs(DAG_ID)
    if len(runs) != 1:
        raise Failure(f"{len(runs)} runs were made, not one: {', '.join(str(run['dag_run_id']) for run in runs)}")


def _tell_change(progress: Progress, seen: dict[str, str], task: dict[str, Any]) -> None:
    name = str(task["task_id"])
    if task["map_index"] >= 0:
        name += f"[{task.get('rendered_map_index') or task['map_index']}]"
    state = str(task["state"] or "")
    if state not in ("running", "success", "failed", "up_for_retry", "upstream_failed", "skipped", "up_for_reschedule"):
        return
    if seen.get(name) == state:
        return
    seen[name] = state
    duration = f" ({task['duration']:.1f} s)" if state in ENDED and task.get("duration") else ""
    progress.say(f"  {name}: {state.replace('_', ' ')}{duration}")


def _why_failed(stack: Stack, run_id: str, seen: dict[str, str]) -> tuple[str, Path]:
    failed = [name for name, state in seen.items() if state in ("failed", "up_for_retry")] or ["the run"]
    with psycopg.connect(stack.database_url) as connection:
        row = connection.execute("SELECT error_message FROM data_ingestion_logs WHERE run_id = %s", [run_id]).fetchone()
    logs = stack.places.state / "airflow" / "logs" / f"dag_id={DAG_ID}" / f"run_id={run_id}"
    task_id = failed[0].partition("[")[0]
    found = sorted(logs.glob(f"task_id={task_id}/**/attempt=*.log"))
    log = found[-1] if found else stack.places.log / "scheduler.log"
    reason = (row[0] if row else None) or _last_error(log) or "the log says why"
    return f"task {', '.join(failed)} failed: {reason}", log


def _last_error(log: Path) -> str | None:
    """The last exception in a task's log, which Airflow writes as JSON lines."""
    for line in reversed(last_lines(log, 200)):
        with contextlib.suppress(ValueError, KeyError, IndexError, TypeError):
            error = json.loads(line)["error_detail"][0]
            return f"{error['exc_type']}: {error['exc_value']}"
    return None


def _follow_deliveries(stack: Stack) -> None:
    """Until the notifier has nothing left to do that is due."""
    deadline = time.monotonic() + DELIVERY_TIMEOUT
    told = ""
    next_line = 0.0
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        while True:
            counts = summary.delivery_counts(connection)
            text = ", ".join(f"{state} {count}" for state, count in sorted(counts.items()))
            waiting = sum(counts.get(state, 0) for state in ("queued", "sending", "unknown"))
            if text != told and (time.monotonic() > next_line or not waiting):
                stack.progress.say(f"  deliveries: {text or 'none'}")
                told, next_line = text, time.monotonic() + 2
            if not waiting:
                return
            if time.monotonic() > deadline:
                log = stack.places.log / "notifier.log"
                raise Failure(f"{waiting} alerts were not delivered within {DELIVERY_TIMEOUT:.0f} s", log)
            stack.pause()
