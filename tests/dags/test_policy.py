"""What every DAG of this project has to be, and the ids that others rely on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from leads.days import NEW_YORK
from local.places import ROOT

EXPECTED = {
    "daily_ftp_ingestion": "0 6 * * 1-5",
    "weekly_ftp_ingestion": "0 7 * * 1",
    "monthly_ftp_ingestion": "0 8 1 * *",
}
RETRY_MINUTES = {"daily_ftp_ingestion": 5, "weekly_ftp_ingestion": 10, "monthly_ftp_ingestion": 15}
FILES = sorted(path for path in (ROOT / "dags").glob("*.py") if path.stem in EXPECTED)


@pytest.fixture(scope="module")
def dags() -> dict[str, Any]:
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(str(ROOT / "dags"))
    assert bag.import_errors == {}
    return dict(bag.dags)


def test_the_ids_and_schedules_are_those_of_the_contract(dags: dict[str, Any]) -> None:
    assert {dag_id: dag.schedule for dag_id, dag in dags.items()} == EXPECTED
    assert {path.stem for path in FILES} == set(EXPECTED), "a DAG lives in the file of its name"


@pytest.mark.parametrize("dag_id", EXPECTED)
def test_a_dag_says_when_it_runs_what_it_does_and_whose_it_is(dags: dict[str, Any], dag_id: str) -> None:
    dag = dags[dag_id]
    assert str(dag.timezone) == "America/New_York"
    assert dag.catchup is False
    assert dag.max_active_runs == 1
    assert dag.dagrun_timeout
    assert dag.dagrun_timeout < timedelta(days=1)
    assert dag.tags
    assert dag.default_args["owner"] not in ("", "airflow")
    assert dag.on_failure_callback
    for wanted in ("# ", "When it fails", "business date"):
        assert wanted in dag.doc_md
    for parameter in ("business_date", "notify", "refetch"):
        assert dag.params.get_param(parameter).description


@pytest.mark.parametrize("dag_id", EXPECTED)
def test_a_task_ends_is_tried_again_and_waits_its_turn(dags: dict[str, Any], dag_id: str) -> None:
    pools = {"default_pool", *json.loads((ROOT / "dags" / "pools.json").read_text("utf-8"))}
    for task in dags[dag_id].tasks:
        assert task.execution_timeout, task.task_id
        assert task.execution_timeout <= timedelta(hours=1), task.task_id
        assert task.retries == 3, task.task_id
        assert task.retry_delay == timedelta(minutes=RETRY_MINUTES[dag_id]), task.task_id
        assert task.pool in pools, task.task_id
        assert task.on_failure_callback, task.task_id
    changing = {"merge", "make_leads", "write_alerts"}
    assert {t.task_id for t in dags[dag_id].tasks if t.pool == "ingestion_merge"} == changing


@pytest.mark.parametrize("dag_id", EXPECTED)
def test_a_sensor_holds_no_worker_while_it_waits(dags: dict[str, Any], dag_id: str) -> None:
    waiting = dags[dag_id].get_task("fetch")
    assert (waiting.mode, waiting.poke_interval) == ("reschedule", 600)


def test_settings_override_the_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    from ingestion_dag import ingestion_dag

    monkeypatch.setenv("INGESTION_RETRIES", "1")
    monkeypatch.setenv("INGESTION_RETRY_DELAY_SECONDS", "7")
    dag = ingestion_dag("daily", dag_id="x", schedule="0 6 * * *", doc_md=None)
    assert {(task.retries, task.retry_delay.total_seconds()) for task in dag.tasks} == {(1, 7.0)}


@pytest.mark.parametrize(
    ("begin", "slots"),
    [
        ("2026-03-06", ["2026-03-06 06:00 EST", "2026-03-09 06:00 EDT"]),
        ("2026-10-30", ["2026-10-30 06:00 EDT", "2026-11-02 06:00 EST"]),
    ],
)
def test_six_in_the_morning_is_six_in_summer_and_winter(dags: dict[str, Any], begin: str, slots: list[str]) -> None:
    import pendulum
    from airflow.serialization.serialized_objects import DagSerialization
    from airflow.timetables.base import TimeRestriction

    serialized = DagSerialization.from_dict(DagSerialization.to_dict(dags["daily_ftp_ingestion"]))
    earliest = pendulum.parse(begin, tz="America/New_York")
    restriction = TimeRestriction(earliest=earliest, latest=None, catchup=True)
    times, last = [], None
    for _ in slots:
        info = serialized.timetable.next_dagrun_info(last_automated_data_interval=last, restriction=restriction)
        times.append(f"{info.logical_date.astimezone(NEW_YORK):%Y-%m-%d %H:%M %Z}")
        last = info.data_interval
    assert times == slots


TRACE = """
import sys, time, pendulum, airflow.sdk, airflow.sdk.exceptions
airflow.sdk.DAG("airflow_itself", schedule="0 6 * * *")  # loads what any DAG with a cron and tasks loads
airflow.sdk.task(lambda: 0), airflow.sdk.task.sensor(lambda: 0)
sys.path[:0] = [{dags!r}, {plugins!r}]
seen = []
def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.mkdir", "sqlite3.connect"):
        seen.append(event)
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        seen.append(f"open {{arguments[0]}}")
sys.addaudithook(watch)
started = time.perf_counter()
import {module}
print(time.perf_counter() - started)
print(seen)
"""


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_importing_a_dag_file_is_quick_and_touches_nothing(path: Path, tmp_path: Path) -> None:
    script = TRACE.format(dags=str(path.parent), plugins=str(ROOT / "plugins"), module=path.stem)
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "AIRFLOW_HOME": str(tmp_path)}
    command = [sys.executable, "-c", script]
    runs = [
        subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path, env=environment)
        for _ in range(2)
    ]
    seconds, touched = zip(*(run.stdout.strip().splitlines()[-2:] for run in runs), strict=True)
    assert min(map(float, seconds)) < 0.5
    assert set(touched) == {"[]"}


def test_a_run_without_a_date_is_utc_safe() -> None:
    """The clock that DAGs read is aware; a naive one would make the business date the server's."""
    from ingestion_callbacks import now

    assert now().utcoffset() == timedelta(0)
    assert abs(now() - datetime.now(UTC)) < timedelta(seconds=5)
