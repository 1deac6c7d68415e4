"""Run every DAG once through the scheduler: first the feeds with full-size files, then the operations DAGs.

The benchmark starts the demo's stack. Airflow starts a process for each task, and a short task spends most of its time
starting that process. To see how much of a run's time is actual work, compare the tasks' times with the duration in
``data_ingestion_logs``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg

from bench.servers import folder
from bench.tables import print_table
from leads.business_days import is_business_day
from local.airflow_api import AirflowApi
from local.clean import clean
from local.demo import follow_deliveries
from local.paths import Paths
from local.progress import Progress
from local.runs import follow_run, start_run, task_name
from local.stack import SANDBOX_SEED, Stack
from sandbox.world import roll_csv

DOCUMENTS, PARCELS = 10_000, 300_000
"""Documents per day and parcels on the roll. A weekly file has a quarter as many cases as a day has documents, a
monthly file a tenth."""

TIMEOUT = 3600.0
FEEDS = ("daily", "weekly", "monthly")
OPERATIONS = (
    "lead_scoring",
    "daily_digest",
    "weekly_report",
    "trial_reminders",
    "queue_metrics",
    "freshness_watch",
    "data_cleanup",
)
OLD = "interval '91 days'"


@dataclass(frozen=True)
class Run:
    """One finished DAG run.

    ``seconds`` and ``tasks`` are durations; ``brought`` is text that lists the counts of rows or results.
    """

    name: str
    seconds: float
    tasks: dict[str, float]
    logged: float | None
    brought: str


def run(scale: float) -> None:
    """Run each DAG; print how many seconds its run and its tasks take."""
    with _stack(max(int(DOCUMENTS * scale), 100)) as stack:
        api = stack.api()
        done = [_measure(stack, api, dag_id, conf) for dag_id, conf in _ingestions(stack, int(PARCELS * scale))]
        done += [_measure(stack, api, dag_id, {}) for dag_id in OPERATIONS]
        _expire_rows(stack)
        done.append(_measure_again(stack, api, "data_cleanup", {"dry_run": False}))
    header = ["DAG", "run, s", "its tasks, s", "open_run to close_run, s", "brought"]
    rows = [(run.name, run.seconds, sum(run.tasks.values()), run.logged, run.brought) for run in done]
    print_table(f"each DAG once, through the scheduler: {stack.documents:,} documents a day", header, rows)
    print("\nseconds of each task, from the start of its process")
    for run in done:
        print(f"  {run.name}: {', '.join(f'{name} {seconds:.1f}' for name, seconds in run.tasks.items())}")


@contextmanager
def _stack(documents: int) -> Iterator[Stack]:
    progress = Progress()
    with folder("dags") as root:
        places = Paths(root, profile="demo")
        stack = Stack(places, progress, documents)
        try:
            stack.start()
            yield stack
        finally:
            stack.stop()
            clean(places, progress)


def _ingestions(stack: Stack, parcels: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each feed's DAG id and run ``conf``, starting with the parcel roll.

    The runs announce all leads, regardless of their age.
    """
    day = stack.business_date
    monday, first = day - timedelta(days=day.weekday()), day.replace(day=1)
    while not is_business_day(monday):  # The county publishes no weekly file in a week whose Monday is a holiday.
        monday -= timedelta(days=7)
    roll = stack.places.state / "archive" / "roll" / first.isoformat()
    roll.mkdir(parents=True)
    (roll / "parcel_roll.csv").write_text(roll_csv(SANDBOX_SEED, parcels), "utf-8")
    yield "property_roll", {"business_date": first.isoformat()}
    days = {"daily": day, "weekly": monday, "monthly": first}
    for feed in FEEDS:
        yield f"{feed}_ftp_ingestion", {"business_date": days[feed].isoformat(), "notify": "yes"}


def _measure(stack: Stack, api: AirflowApi, dag_id: str, conf: dict[str, Any]) -> Run:
    """Measure the DAG's first run."""
    run_id = start_run(stack, api, dag_id, conf)
    return _follow(stack, api, dag_id, run_id, dag_id + (" (dry run)" if dag_id == "data_cleanup" else ""))


def _measure_again(stack: Stack, api: AirflowApi, dag_id: str, conf: dict[str, Any]) -> Run:
    run_id = api.trigger(dag_id, None, conf)
    api.pause(dag_id, False)
    return _follow(stack, api, dag_id, run_id, f"{dag_id}, with expired rows")


def _follow(stack: Stack, api: AirflowApi, dag_id: str, run_id: str, name: str) -> Run:
    stack.progress.say(name)
    follow_run(stack, api, dag_id, run_id, timeout=TIMEOUT)
    api.pause(dag_id, True)  # A scheduled run would disturb the next measurement.
    ended = api.run(dag_id, run_id)
    tasks = [task for task in api.task_instances(dag_id, run_id) if task["duration"] is not None]
    logged, brought = _logged(stack, run_id) or (None, _returned(api, dag_id, run_id, tasks))
    follow_deliveries(stack)  # The notifier must be idle while the next DAG is measured.
    return Run(
        name,
        (datetime.fromisoformat(ended["end_date"]) - datetime.fromisoformat(ended["start_date"])).total_seconds(),
        {task_name(task): float(task["duration"]) for task in sorted(tasks, key=lambda task: str(task["start_date"]))},
        logged,
        brought,
    )


def _logged(stack: Stack, run_id: str) -> tuple[float | None, str] | None:
    with psycopg.connect(stack.database_url) as connection:
        row = connection.execute(
            "SELECT duration_seconds, format('rows %%s, properties %%s, leads %%s, alerts %%s',"
            " records_processed + records_rejected, new_properties + updated_properties, new_leads_generated,"
            " alerts_written) FROM data_ingestion_logs WHERE run_id = %s",
            [run_id],
        ).fetchone()
    return None if row is None else (float(row[0]), str(row[1]))


def _returned(api: AirflowApi, dag_id: str, run_id: str, tasks: list[dict[str, Any]]) -> str:
    """Return the tasks' nonzero counts as text."""
    given = (api.returned(dag_id, run_id, task["task_id"]) for task in tasks if task["state"] == "success")
    counts = [value if isinstance(value, dict) else {"rows": value} for value in given if value is not None]
    return ", ".join(f"{name} {value}" for each in counts for name, value in each.items() if value) or "nothing"


def _expire_rows(stack: Stack) -> None:
    """Backdate rows past their retention period, so that the clean-up has work to do."""
    with psycopg.connect(stack.database_url) as connection:
        for table in ("deliveries", "rejected_records", "unmatched_records", "queue_metrics"):
            age = "recorded_at" if table == "queue_metrics" else "created_at"
            connection.execute(f"UPDATE {table} SET {age} = {age} - {OLD}")
