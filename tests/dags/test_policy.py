"""Every DAG follows the project's rules and keeps the ids that other programs use."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from county.feeds import DAILY, feed_of_dag
from leads.clock import NEW_YORK
from local.paths import ROOT
from operations.monitoring import oncall
from tests.servers.postgres import Database

FEEDS = {
    "daily_ftp_ingestion": "0 6 * * 1-5",
    "weekly_ftp_ingestion": "0 7 * * 1",
    "monthly_ftp_ingestion": "0 8 1 * *",
}
OTHERS = {
    "property_roll": "0 4 15 * *",
    "address_review": None,
    "lead_scoring": "0 2 * * *",
    "data_cleanup": "0 3 * * *",
    "queue_metrics": "*/5 * * * *",
    "freshness_watch": "*/15 * * * *",
    "daily_digest": "0 5 * * *",
    "weekly_report": "0 9 * * 1",
    "trial_reminders": "0 9 * * *",
}
EXPECTED = FEEDS | OTHERS
#: DAG id → the number of retries, and the number of minutes between retries.
RETRIES = {
    "daily_ftp_ingestion": (3, 5),
    "weekly_ftp_ingestion": (3, 10),
    "monthly_ftp_ingestion": (3, 15),
    "property_roll": (3, 15),
    "address_review": (3, 1),
    "lead_scoring": (0, 1),
    "data_cleanup": (0, 1),
    "queue_metrics": (0, 1),
    "freshness_watch": (1, 1),
    "daily_digest": (2, 1),
    "weekly_report": (2, 1),
    "trial_reminders": (2, 1),
}
#: DAG id and task id → pool. Tasks not listed here are in the default pool.
POOLS = {
    **{(dag_id, task_id): "ingestion_merge" for dag_id in FEEDS for task_id in ("merge", "make_leads", "write_alerts")},
    ("property_roll", "merge"): "ingestion_merge",
    ("address_review", "retry_waiting"): "ingestion_merge",
    ("lead_scoring", "score_leads"): "ingestion_merge",
    ("data_cleanup", "clean_up"): "maintenance",
    ("data_cleanup", "clean_airflow"): "maintenance",
}
LATE_AFTER = {
    "daily_ftp_ingestion": timedelta(hours=1, minutes=30),  # 07:30
    "weekly_ftp_ingestion": timedelta(hours=2),  # 09:00
    "monthly_ftp_ingestion": timedelta(hours=2),  # 10:00
}
FILES = sorted(path for path in (ROOT / "dags").glob("*.py") if path.stem in EXPECTED)


@pytest.fixture(scope="module")
def dags() -> dict[str, Any]:
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(str(ROOT / "dags"))
    assert bag.import_errors == {}
    return dict(bag.dags)


def test_the_ids_and_schedules_are_those_of_the_contract(dags: dict[str, Any]) -> None:
    assert {dag_id: dag.schedule for dag_id, dag in dags.items()} == EXPECTED
    assert {path.stem for path in FILES} == set(EXPECTED), "each DAG is in the file with its name"


@pytest.mark.parametrize("dag_id", EXPECTED)
def test_a_dag_has_a_time_zone_a_description_and_an_owner(dags: dict[str, Any], dag_id: str) -> None:
    dag = dags[dag_id]
    assert str(dag.timezone) == "America/New_York"
    assert dag.catchup is False
    assert dag.max_active_runs == 1
    assert dag.dagrun_timeout
    assert dag.dagrun_timeout < timedelta(days=1)
    assert dag.tags
    assert dag.description
    assert "docs/" in dag.doc_md.splitlines()[-1]
    assert dag.default_args["owner"] not in ("", "airflow")
    assert oncall.run_failed in _callbacks(dag.on_failure_callback), "the run's own callback alerts on-call"
    assert oncall.run_succeeded in _callbacks(dag.on_success_callback)
    for wanted in ("# ", "**When it fails** ", "business date"):
        assert wanted in dag.doc_md
    for parameter in dag.params:
        assert dag.params.get_param(parameter).description


WRITES = {
    **{(dag_id, "make_leads"): {"leads"} for dag_id in FEEDS},
    **{(dag_id, "write_alerts"): {"deliveries"} for dag_id in FEEDS},
    ("daily_ftp_ingestion", "merge"): {"recorded_documents", "document_parties", "properties"},
    ("weekly_ftp_ingestion", "merge"): {"court_records"},
    ("monthly_ftp_ingestion", "merge"): {"court_records"},
    ("property_roll", "merge"): {"properties"},
    ("address_review", "retry_waiting"): {"recorded_documents", "properties", "court_records", "leads", "deliveries"},
    ("lead_scoring", "score_leads"): {"leads"},
    ("daily_digest", "open_digests"): {"deliveries"},
    ("weekly_report", "open_reports"): {"deliveries"},
    ("trial_reminders", "open_trial_reminders"): {"deliveries"},
}


def test_a_task_names_the_tables_that_it_changes_as_assets(dags: dict[str, Any], database: Database) -> None:
    """Other teams can schedule DAGs to run when these assets change.

    This project's own DAGs do not run on asset changes, because backfills also emit asset events.
    """
    found = {
        (dag_id, task.task_id): {asset.name for asset in task.outlets}
        for dag_id, dag in dags.items()
        for task in dag.tasks
        if task.outlets
    }
    assert found == WRITES
    assert {dag.schedule for dag in dags.values()} == set(EXPECTED.values())
    for table in set().union(*WRITES.values()):
        assert database.connection.execute("SELECT to_regclass(%s)", (table,)).fetchone() != (None,), table


@pytest.mark.parametrize("dag_id", FEEDS)
def test_a_feed_waits_for_its_files_then_fetches_and_stages_each_file(dags: dict[str, Any], dag_id: str) -> None:
    dag = dags[dag_id]
    order = [
        "open_run",
        "wait_for_files",
        "fetch",
        "stage",
        "match",
        "merge",
        "make_leads",
        "write_alerts",
        "close_run",
    ]
    assert [task.task_id for task in dag.topological_sort()] == order
    assert [task.task_id for task in dag.tasks if task.is_mapped] == ["fetch", "stage"]


def test_the_documentation_is_linked_where_it_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    from ingestion_dag import ingestion_dag

    monkeypatch.setenv("DOCS_URL", "https://docs.example.com/leads/")
    dag = ingestion_dag(DAILY, doc_md="# Daily")
    assert dag.owner_links == {"data-engineering": "https://docs.example.com/leads/"}
    assert dag.doc_md.endswith("More: [docs/ingestion.md](https://docs.example.com/leads/ingestion.md).\n")


@pytest.mark.parametrize("dag_id", FEEDS)
def test_a_feed_takes_the_parameters_of_the_contract(dags: dict[str, Any], dag_id: str) -> None:
    assert set(dags[dag_id].params) == {"business_date", "notify", "refetch"}


def test_the_address_review_takes_a_feed_or_reviews_all(dags: dict[str, Any]) -> None:
    from airflow.sdk.exceptions import ParamValidationError

    assert set(dags["address_review"].params) == {"feed", "business_date", "notify"}
    feed = dags["address_review"].params.get_param("feed")
    assert [feed.resolve(name) for name in (None, "daily", "weekly", "monthly")] == [None, "daily", "weekly", "monthly"]
    with pytest.raises(ParamValidationError):
        feed.resolve("roll")


@pytest.mark.parametrize("dag_id", EXPECTED)
def test_only_scheduled_runs_of_feeds_can_be_late(dags: dict[str, Any], dag_id: str) -> None:
    deadlines = dags[dag_id].deadline or []
    late_after = {d.interval for d in deadlines}
    assert late_after == ({LATE_AFTER[dag_id]} if dag_id in LATE_AFTER else set())
    # With Airflow's own deadline references, either every backfill run would alert on-call or "Clear run" would fail.
    assert all(type(d.reference).__name__ == "ScheduledSlot" for d in deadlines)


@pytest.mark.parametrize("dag_id", FEEDS)
def test_the_freshness_watch_uses_the_same_schedules_as_airflow(dags: dict[str, Any], dag_id: str) -> None:
    from croniter import croniter

    first = datetime(2026, 1, 1, tzinfo=NEW_YORK)
    year = croniter(dags[dag_id].schedule, first).all_next(datetime)
    slots = list(takewhile(lambda slot: slot.year == 2026, year))
    feed = feed_of_dag(dag_id)
    assert feed is not None
    assert feed.slots(first.date(), datetime(2026, 12, 31, 23, tzinfo=NEW_YORK)) == slots


@pytest.mark.parametrize("dag_id", EXPECTED)
def test_a_task_has_a_timeout_retries_and_a_pool(dags: dict[str, Any], dag_id: str) -> None:
    pools = {"default_pool", *json.loads((ROOT / "dags" / "pools.json").read_text("utf-8"))}
    assert set(POOLS.values()) < pools
    for task in dags[dag_id].tasks:
        assert task.execution_timeout, task.task_id
        assert task.execution_timeout <= timedelta(hours=3), task.task_id
        assert (task.retries, task.retry_delay.total_seconds() / 60) == RETRIES[dag_id], task.task_id
        assert task.pool == POOLS.get((dag_id, task.task_id), "default_pool"), task.task_id
        assert oncall.note_failure in _callbacks(task.on_failure_callback), task.task_id


def test_a_run_of_queue_metrics_ends_before_the_next_begins(dags: dict[str, Any]) -> None:
    assert dags["queue_metrics"].dagrun_timeout == timedelta(minutes=4)


@pytest.mark.parametrize("dag_id", FEEDS)
def test_a_sensor_holds_no_worker_while_it_waits(dags: dict[str, Any], dag_id: str) -> None:
    waiting = dags[dag_id].get_task("wait_for_files")
    assert (waiting.mode, waiting.poke_interval) == ("reschedule", 600)
    assert [task.task_id for task in dags[dag_id].tasks if getattr(task, "mode", None) == "poke"] == []


def test_settings_override_the_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    from ingestion_dag import ingestion_dag

    monkeypatch.setenv("INGESTION_RETRIES", "1")
    monkeypatch.setenv("INGESTION_RETRY_DELAY_SECONDS", "7")
    dag = ingestion_dag(DAILY, doc_md=None)
    assert {(task.retries, task.retry_delay.total_seconds()) for task in dag.tasks} == {(1, 7.0)}


@pytest.mark.parametrize(
    ("begin", "slots"),
    [
        ("2026-03-06", ["2026-03-06 06:00 EST", "2026-03-09 06:00 EDT"]),
        ("2026-10-30", ["2026-10-30 06:00 EDT", "2026-11-02 06:00 EST"]),
    ],
)
def test_the_daily_run_starts_at_six_in_summer_and_winter(dags: dict[str, Any], begin: str, slots: list[str]) -> None:
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
import json, os, sys, time, pendulum, airflow.sdk, airflow.sdk.exceptions
airflow.sdk.DAG("airflow_itself", schedule="0 6 * * *")  # loads what any DAG with a cron and tasks loads
airflow.sdk.task(lambda: 0), airflow.sdk.task.sensor(lambda: 0)
sys.path[:0] = [{dags!r}, {plugins!r}]
seen = []
def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.mkdir", "sqlite3.connect"):
        seen.append(event)
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        seen.append(f"open {{arguments[0]}}")
for module in {modules!r}:
    if os.fork() == 0:  # Like the dag-processor, load Airflow first and import each file in a fork.
        sys.addaudithook(watch)
        started = time.perf_counter()
        __import__(module)
        print(json.dumps([module, time.perf_counter() - started, seen]), flush=True)
        os._exit(0)
    assert os.wait()[1] == 0, module
"""


def test_importing_a_dag_file_is_quick_and_touches_nothing(tmp_path: Path) -> None:
    script = TRACE.format(dags=str(ROOT / "dags"), plugins=str(ROOT / "plugins"), modules=[path.stem for path in FILES])
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "AIRFLOW_HOME": str(tmp_path)}
    command = [sys.executable, "-c", script]
    quickest: dict[str, float] = {}
    for _ in range(3):  # On a busy machine, one measurement may be too slow, so measure up to three times.
        run = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path, env=environment)
        lines = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("[")]
        assert len(lines) == len(EXPECTED)
        for module, seconds, touched in lines:
            assert touched == [], module
            quickest[module] = min(seconds, quickest.get(module, seconds))
        if max(quickest.values()) < 0.5:
            break
    assert {module: seconds for module, seconds in quickest.items() if seconds >= 0.5} == {}


def test_the_clock_of_the_dags_is_aware() -> None:
    """The DAGs' clock returns times with a time zone.

    With naive times, the business date would depend on the server's time zone.
    """
    from leads.clock import now

    assert now().utcoffset() == timedelta(0)
    assert abs(now() - datetime.now(UTC)) < timedelta(seconds=5)


def _callbacks(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


@pytest.mark.parametrize(
    ("answer", "notify"), [(None, None), ("yes", True), ("no", False), (True, True), (False, False)]
)
def test_the_parameter_notify_is_a_word_that_becomes_true_or_false(
    answer: str | bool | None, notify: bool | None
) -> None:
    from ingestion_dag import PARAMS, _yes_or_no

    PARAMS["notify"].resolve(answer)
    assert _yes_or_no(answer) is notify


def test_the_parameter_notify_rejects_other_words() -> None:
    from airflow.sdk.exceptions import ParamValidationError
    from ingestion_dag import PARAMS

    with pytest.raises(ParamValidationError):
        PARAMS["notify"].resolve("maybe")
