"""Under a real scheduler, on-call is alerted when a run fails, is killed or is late, and again when it recovers."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from email.message import EmailMessage

import psycopg
import pytest

from local.paths import ROOT
from tests.county.days import WRITERS, deed
from tests.servers.airflow_stack import AirflowStack, running_airflow, wait_for
from tests.servers.mailbox import Mailbox, running_mailbox

pytestmark = [pytest.mark.drill, pytest.mark.timeout(600)]

DAILY = "daily_ftp_ingestion"
DAY = date(2025, 2, 3)

#: DAGs made with this project's DAG factory. One DAG's task kills itself, and the other DAG's task takes a long time.
PROBES = '''
"""**When it fails** this is a drill.

Nothing else."""
import os, signal, time
from datetime import timedelta
from airflow.sdk import DeadlineAlert, SyncCallback, task
from run_deadlines import ScheduledSlot
from operations.monitoring import oncall
from operations_dag import operations_dag

@task
def die():
    os.kill(os.getpid(), signal.SIGKILL)

@task
def dawdle():
    time.sleep(8)

for name, step, schedule in [("probe_killed", die, "0 0 1 1 *"), ("probe_late", dawdle, "* * * * *")]:
    with operations_dag(
        name, description="A drill", schedule=schedule, doc_md=__doc__, max_duration=timedelta(minutes=5), tags=[]
    ) as dag:
        step()
    if name == "probe_late":
        dag.deadline = DeadlineAlert(
            reference=ScheduledSlot(), interval=timedelta(seconds=1), callback=SyncCallback(oncall.run_is_late)
        )
    globals()[name] = dag
'''


@dataclass
class OnCall:
    stack: AirflowStack
    mailbox: Mailbox

    def hears(self, subject: str, timeout: float = 120) -> str:
        """Wait for an e-mail whose subject begins with ``subject``; return the e-mail's body."""

        def look() -> EmailMessage | None:
            return next((mail for mail in list(self.mailbox.mails) if str(mail["subject"]).startswith(subject)), None)

        body = wait_for(f"{subject!r} among {self.mailbox.subjects()}", look, timeout).get_body(("plain", "html"))
        assert body is not None
        return str(body.get_content())

    def heard(self, words: str) -> int:
        return sum(words in subject for subject in self.mailbox.subjects())

    def start(self, dag_id: str, logical_date: str | None = None, **conf: object) -> str:
        run_id = self.stack.api.trigger(dag_id, logical_date, conf)
        self.stack.api.pause(dag_id, False)
        return run_id

    def ends(self, dag_id: str, run_id: str, state: str) -> None:
        def look() -> bool:
            now = self.stack.api.run(dag_id, run_id)["state"]
            assert now not in {"success", "failed"} - {state}, f"{dag_id} ended as {now}"
            return bool(now == state)

        wait_for(f"{dag_id} {state}", look, timeout=180)


@pytest.fixture(scope="module")
def oncall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnCall]:
    dags = tmp_path_factory.mktemp("dags") / "dags"
    shutil.copytree(ROOT / "dags", dags, ignore=shutil.ignore_patterns("__pycache__"))
    (dags / "probes.py").write_text(PROBES, "utf-8")
    with running_mailbox() as mailbox:
        settings = {"ONCALL_URLS": mailbox.url(), "AIRFLOW__CORE__DAGS_FOLDER": str(dags)}
        with running_airflow(**settings) as stack:
            yield OnCall(stack, mailbox)


def latest_slot(oncall: OnCall, dag_id: str) -> str:
    """Return the latest slot's logical date.

    If a manual run has this date, the scheduler creates no run for the slot.
    """
    dag = wait_for(f"{dag_id}", lambda: oncall.stack.api.dag(dag_id))
    return str(dag["next_dagrun_logical_date"])


def test_oncall_is_alerted_of_a_failed_run_with_all_facts_and_of_its_recovery(oncall: OnCall) -> None:
    run_id = oncall.start(DAILY, latest_slot(oncall, DAILY), business_date=DAY.isoformat())
    text = oncall.hears(f"[critical] {DAILY} failed for {DAY}")
    for fact in (
        f"DAG: {DAILY}", f"Run: {run_id}", f"Business date: {DAY}", "Task: wait_for_files", "Try: 1 of 4",
        "Reason: Cases.exp and Parties.exp for 2025-02-03: not in the archive",
        f"Log: {oncall.stack.ports.url}/dags/{DAILY}/runs/", "/tasks/wait_for_files?try_number=1",
        "What to do: Nothing is lost: the next try of the failed task finishes the step.",
    ):  # fmt: skip
        assert fact in text
    publish(oncall.stack, DAY)
    oncall.stack.api.clear(DAILY, run_id, "wait_for_files")
    oncall.ends(DAILY, run_id, "success")
    assert "has succeeded for 2025-02-03" in oncall.hears(f"[info] recovered: {DAILY} failed for {DAY}")
    assert oncall.heard(f"{DAILY} failed") == 2


def test_freshness_watch_marks_dead_runs_as_failed(oncall: OnCall) -> None:
    failed = oncall.start("property_roll", latest_slot(oncall, "property_roll"), business_date="2020-01-15")
    oncall.ends("property_roll", failed, "failed")
    oncall.hears("[critical] property_roll failed")
    with psycopg.connect(oncall.stack.leads.url("leads"), autocommit=True) as leads:
        leads.execute(
            "UPDATE data_ingestion_logs SET status = 'running', error_message = NULL WHERE run_id = %s", [failed]
        )
        leads.execute(
            "INSERT INTO data_ingestion_logs (ingestion_type, status, run_id)"
            " VALUES ('monthly_ftp', 'running', 'deleted')"
        )
        watch = oncall.start("freshness_watch", latest_slot(oncall, "freshness_watch"))
        oncall.ends("freshness_watch", watch, "success")
        oncall.stack.api.pause("freshness_watch", True)
        rows = leads.execute(
            "SELECT status, left(error_message, 22) FROM data_ingestion_logs WHERE run_id = ANY (%s) ORDER BY id",
            [[failed, "deleted"]],
        ).fetchall()
    assert rows == [("failed", "the run failed while t"), ("failed", "the run was deleted in")]


def test_oncall_is_alerted_of_a_run_whose_task_was_killed(oncall: OnCall) -> None:
    oncall.start("probe_killed", latest_slot(oncall, "probe_killed"))
    text = oncall.hears("[critical] probe_killed failed")
    assert "Task: die" in text
    assert "its machine went down" in text
    assert "What to do: This is a drill." in text
    assert oncall.heard("probe_killed failed") == 1


def test_oncall_is_alerted_once_of_a_late_scheduled_run_and_of_its_end(oncall: OnCall) -> None:
    by_hand = oncall.start("probe_late", "2026-01-02T00:00:00Z")  # A manual run has no deadline.
    text = oncall.hears("[critical] probe_late is late")
    assert by_hand not in text
    assert "Should have ended by: " in text
    assert "State: running" in text or "State: queued" in text
    assert oncall.hears("[info] recovered: probe_late is late")
    oncall.stack.api.pause("probe_late", True)
    alerts = [subject for subject in oncall.mailbox.subjects() if subject.startswith("[critical] probe_late")]
    runs = [run for run in oncall.stack.api.runs("probe_late") if run["run_type"] == "scheduled"]
    assert 1 <= len(alerts) <= len(runs)


def test_a_task_of_data_cleanup_cleans_airflows_own_database(oncall: OnCall) -> None:
    run_id = oncall.start("data_cleanup", latest_slot(oncall, "data_cleanup"), dry_run=False)
    oncall.ends("data_cleanup", run_id, "success")
    states = {task["task_id"]: task["state"] for task in oncall.stack.api.task_instances("data_cleanup", run_id)}
    assert states == {"clean_up": "success", "clean_airflow": "success"}


def publish(stack: AirflowStack, day: date) -> None:
    made = [deed(day, f"BUYER {name}", folio=f"30499{n:08}") for n, name in enumerate(["ANA", "BEN"], 1)]
    for name in ("Cases.exp", "Parties.exp"):
        text = "\r\n".join(WRITERS[name](made)) + "\r\n"
        dated = f"{name.removesuffix('.exp')}_{day:%Y%m%d}.exp"
        stack.county.put(f"/daily/{dated}", text.encode(), datetime(2026, 1, 2, tzinfo=UTC))
