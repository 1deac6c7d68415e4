"""Start exactly one run of a DAG in the local Airflow, and follow the run until it ends."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path
from typing import Any

import psycopg

from local.airflow_api import AirflowApi
from local.processes import last_lines
from local.progress import Failure, Progress
from local.stack import Stack

ENDED = ("success", "failed")


def start_run(stack: Stack, api: AirflowApi, dag_id: str, conf: dict[str, Any]) -> str:
    """Create the first run of a paused DAG, then unpause the DAG; return the run's id.

    When a DAG with a cron schedule is unpaused, the scheduler creates a run for the latest slot, unless that slot
    already has a run. To prevent a second run, this function creates its run with the slot's logical date while the DAG
    is paused. For a feed's DAG, ``conf`` contains the business date. Raises Failure if Airflow does not find the DAG.
    """
    dag = _wait_for_dag(stack, api, dag_id)
    run_id = api.trigger(dag_id, dag["next_dagrun_logical_date"], conf)
    api.pause(dag_id, False)
    return run_id


def _wait_for_dag(stack: Stack, api: AirflowApi, dag_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    log = stack.places.log / "dag-processor.log"
    while time.monotonic() < deadline:
        dag = api.dag(dag_id)
        if dag is not None and dag.get("next_dagrun_logical_date"):
            return dag
        if errors := [error for error in api.import_errors() if dag_id in error]:
            raise Failure(f"Airflow cannot import the file of {dag_id}: {errors[0]}", log)
        stack.pause()
    raise Failure(f"Airflow did not find the DAG {dag_id} within 60 s", log)


def follow_run(stack: Stack, api: AirflowApi, dag_id: str, run_id: str, *, timeout: float) -> None:
    """Print every state change of the run's tasks until the run has succeeded.

    Raises Failure after ``timeout`` seconds, or as soon as a task fails, without waiting for the task's retries.
    """
    seen: dict[str, str] = {}
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        for task in api.task_instances(dag_id, run_id):
            _say_change(stack.progress, seen, task)
        state = api.run(dag_id, run_id)["state"]
        if state in ENDED or "up_for_retry" in seen.values():
            break
        stack.pause(0.4)
    else:
        raise Failure(f"the run had not ended after {timeout:.0f} s", stack.places.log / "scheduler.log")
    if state != "success":
        raise Failure(*_why_failed(stack, dag_id, run_id, seen))


def task_name(task: dict[str, Any]) -> str:
    """Return a readable name for the task. A mapped task's name includes its index."""
    name = str(task["task_id"])
    if task["map_index"] >= 0:
        name += f"[{task.get('rendered_map_index') or task['map_index']}]"
    return name


def _say_change(progress: Progress, seen: dict[str, str], task: dict[str, Any]) -> None:
    name, state = task_name(task), str(task["state"] or "")
    if state not in ("running", "success", "failed", "up_for_retry", "upstream_failed", "skipped", "up_for_reschedule"):
        return
    if seen.get(name) == state:
        return
    seen[name] = state
    duration = f" ({task['duration']:.1f} s)" if state in ENDED and task.get("duration") else ""
    progress.say(f"  {name}: {state.replace('_', ' ')}{duration}")


def _why_failed(stack: Stack, dag_id: str, run_id: str, seen: dict[str, str]) -> tuple[str, Path]:
    failed = [name for name, state in seen.items() if state in ("failed", "up_for_retry")] or ["the run"]
    with psycopg.connect(stack.database_url) as connection:
        row = connection.execute("SELECT error_message FROM data_ingestion_logs WHERE run_id = %s", [run_id]).fetchone()
    logs = stack.places.state / "airflow" / "logs" / f"dag_id={dag_id}" / f"run_id={run_id}"
    task_id = failed[0].partition("[")[0]
    found = sorted(logs.glob(f"task_id={task_id}/**/attempt=*.log"))
    log = found[-1] if found else stack.places.log / "scheduler.log"
    reason = (row[0] if row else None) or _last_error(log) or "see the log"
    return f"task {', '.join(failed)} failed: {reason}", log


def _last_error(log: Path) -> str | None:
    """Return the last exception in a task's log, which Airflow writes as JSON lines."""
    for line in reversed(last_lines(log, 200)):
        with contextlib.suppress(ValueError, KeyError, IndexError, TypeError):
            error = json.loads(line)["error_detail"][0]
            return f"{error['exc_type']}: {error['exc_value']}"
    return None
