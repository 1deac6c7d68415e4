"""Under a real scheduler, the daily ingestion completes even if processes are killed and servers stop."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
from celery import Celery

from leads.business_days import is_business_day
from local.ports import free_port
from local.processes import Child
from local.redis import RedisServer
from tests.drill.ingestion import DAG_ID, DEEDS, HOLDS, Ingestion
from tests.servers.airflow_stack import running_airflow, wait_for
from tests.servers.folders import service_folder

pytestmark = [pytest.mark.drill, pytest.mark.timeout(600)]

WEEK = [date(2026, 5, day) for day in range(25, 30)]  # The Monday of this week is Memorial Day.
KILLED, CRASHED, RESTARTED, SPREAD = (date(2026, 6, day) for day in (3, 10, 17, 24))


@pytest.fixture(scope="module")
def ingestion() -> Iterator[Ingestion]:
    with running_airflow() as stack:
        ingestion = Ingestion(stack)
        ingestion.rows(
            "WITH u AS (INSERT INTO users (email, token_balance, subscription_status)"
            " VALUES ('a@example.test', 100000, 'active') RETURNING id)"
            " INSERT INTO subscriber_lead_criteria (subscriber_id, lead_types, min_score, channels)"
            " SELECT id, '{new_homeowner}', 0, '{email}' FROM u RETURNING 1"
        )
        ingestion.publish(ingestion.slot)
        stack.api.pause(DAG_ID, False)  # The scheduler now creates a run for the latest slot.
        yield ingestion


def test_a_week_is_backfilled_beside_the_scheduled_run(ingestion: Ingestion) -> None:
    api = ingestion.stack.api
    slot = ingestion.slot
    for day in filter(is_business_day, WEEK):
        ingestion.publish(day)
    options = ["--from-date", f"{WEEK[0]}", "--to-date", f"{WEEK[-1].replace(day=30)}", "--max-active-runs", "2"]
    ingestion.stack.command("backfill", "create", "--dag-id", DAG_ID, *options)

    def ended() -> list[dict[str, str]] | None:
        runs = api.runs(DAG_ID)
        return runs if len(runs) == 6 and all(run["state"] in ("success", "failed") for run in runs) else None

    runs = {run["run_type"]: run["dag_run_id"] for run in wait_for("six runs", ended, timeout=300)}
    assert set(runs) == {"scheduled", "backfill"}
    days = dict(ingestion.rows("SELECT ingestion_date, run_id FROM data_ingestion_logs"))
    assert sorted(days) == sorted([slot, *WEEK]), "each day has one row in the log"
    for day in filter(is_business_day, WEEK):
        ingestion.assert_whole(days[day], day, alerts=0)
    assert ingestion.log(days[WEEK[0]]) == [(WEEK[0], "skipped", None)], "the run for the holiday is skipped"
    assert days[slot] == runs["scheduled"]
    ingestion.assert_whole(runs["scheduled"], slot, alerts=DEEDS)


def test_a_step_whose_task_is_killed_or_loses_the_database_starts_again(ingestion: Ingestion) -> None:
    ingestion.wait_until_idle()
    steps = list(HOLDS)
    hold = ingestion.hold(steps[0])
    run_id = ingestion.start(KILLED)
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        killed = ingestion.wait_until_held(tasks=2 if step in ("fetch", "stage") else 1)
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        ingestion.wait_until_held(but=frozenset(killed))
        ingestion.stack.leads.restart()  # The restart also closes the connection that makes the step wait.
        hold.close()
        if following:
            if HOLDS[following] == HOLDS[step]:
                ingestion.wait_until_done(run_id, step)
            hold = ingestion.hold(following)
    ingestion.wait_until(run_id, "success")
    ingestion.assert_whole(run_id, KILLED)
    for step in steps:
        assert "the leads database" in ingestion.said(run_id, step), f"the error of {step} names its cause"


def test_a_failed_run_names_its_cause_and_continues_when_its_task_is_cleared(ingestion: Ingestion) -> None:
    api, leads = ingestion.stack.api, ingestion.stack.leads
    hold = ingestion.hold("merge")
    run_id = ingestion.start(CRASHED)
    ingestion.wait_until_held()
    leads.restart("immediate")  # A server crash empties all unlogged tables.
    hold.close()
    ingestion.wait_until(run_id, "failed")
    ((day, status, error),) = ingestion.wait_for_log(run_id, "failed")
    assert (day, status) == (CRASHED, "failed")
    assert error.startswith("merge: staging_")
    assert "Clear the stage tasks of this run" in error

    hold = ingestion.hold("merge")
    api.clear(DAG_ID, run_id, "stage")
    killed: set[int] = set()
    for _ in range(4):  # A task is tried once and retried three times.
        held = ingestion.wait_until_held(but=frozenset(killed))
        assert ingestion.log(run_id) == [(CRASHED, "running", None)], "the run works again"
        for pid in held:
            os.kill(pid, signal.SIGKILL)
        killed |= held
    ingestion.wait_until(run_id, "failed")
    hold.close()
    ((_, _, error),) = ingestion.wait_for_log(run_id, "failed")
    assert error.startswith("the process of merge was killed or its machine went down")
    letters = "SELECT count(*), min(state) FROM failed_jobs WHERE job_data ->> 'run_id' = %s"
    assert ingestion.rows(letters, run_id) == [(1, "open")]

    api.clear(DAG_ID, run_id, "merge")
    ingestion.wait_until(run_id, "success")
    ingestion.assert_whole(run_id, CRASHED)
    assert ingestion.rows(letters, run_id) == [(1, "replayed")]


def test_a_run_outlives_the_api_server_and_the_scheduler(ingestion: Ingestion) -> None:
    stack = ingestion.stack
    with ingestion.held("match"):
        run_id = ingestion.start(RESTARTED)
        ingestion.wait_until_held()
        stack.kill("api-server")
        stack.start("api-server")
        stack.wait_until_healthy("metadatabase")
    with ingestion.held("make_leads"):
        ingestion.wait_until_held()
        stack.kill("scheduler")  # This also kills the scheduler's running tasks.
        stack.start("scheduler")
    ingestion.wait_until(run_id, "success")
    ingestion.assert_whole(run_id, RESTARTED)


@dataclass
class Machine:
    """A Celery worker with its own AIRFLOW_HOME and temporary folder, as if it ran on a separate machine."""

    folder: Path
    child: Child

    def tasks(self, run_id: str) -> set[str]:
        """Return the ids of the run's tasks for which this worker wrote logs."""
        return {path.name.partition("=")[2] for path in self.folder.glob(f"logs/*/run_id={run_id}/task_id=*")}


@contextmanager
def machines(ingestion: Ingestion, broker: str, names: Sequence[str]) -> Iterator[list[Machine]]:
    stack = ingestion.stack
    with ExitStack() as running:
        found = []
        for name in names:
            folder = running.enter_context(service_folder(name))
            (folder / "temporary").mkdir()
            own = {
                "AIRFLOW_HOME": str(folder),
                "TMPDIR": str(folder / "temporary"),
                "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(folder / "logs"),
                "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
            }
            command: list[str | Path] = [stack.places.executables / "airflow", "celery", "worker", "--concurrency", "1"]
            command += ["--celery-hostname", f"{name}@localhost", "--without-mingle", "--without-gossip"]
            environment = stack.environment | celery_settings(stack.metadata.url("airflow"), broker) | own
            child = Child(name, command, folder / "worker.log", environment=environment, folder=folder)
            child.start()
            running.callback(child.stop, grace=10.0)
            found.append(Machine(folder, child))
        wait_for("both workers", lambda: _answer(found, broker))
        yield found


def _answer(workers: Sequence[Machine], broker: str) -> bool:
    for worker in workers:
        worker.child.check()
    with Celery(broker=broker) as application:
        return len(application.control.ping(timeout=1)) == len(workers)


def celery_settings(metadata_url: str, broker: str) -> dict[str, str]:
    return {
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "AIRFLOW__CELERY__BROKER_URL": broker,
        "AIRFLOW__CELERY__RESULT_BACKEND": metadata_url.replace("postgresql://", "db+postgresql+psycopg2://", 1),
        "AIRFLOW__CELERY__WORKER_PREFETCH_MULTIPLIER": "1",
    }


def test_tasks_of_one_run_share_nothing_but_the_servers_and_the_archive(
    ingestion: Ingestion, redis_server: RedisServer
) -> None:
    stack = ingestion.stack
    broker = redis_server.url.removesuffix("/0") + "/1"  # Redis database 0 holds the notifier's wake-ups.
    stack.stop("scheduler")
    stack.start("scheduler", **celery_settings(stack.metadata.url("airflow"), broker))
    with machines(ingestion, broker, ("one", "two")) as workers:
        with ingestion.held("stage"):
            run_id = ingestion.start(SPREAD)
            ingestion.wait_until_held(tasks=2)  # Each machine runs one task at a time, so each stages one file.
        ingestion.wait_until(run_id, "success")
        ingestion.assert_whole(run_id, SPREAD)
        for worker in workers:
            assert "stage" in worker.tasks(run_id), worker.child.last_lines(30)
            assert list((worker.folder / "temporary").glob("**/*.exp")) == []
        assert {"open_run", "wait_for_files", "fetch", "stage", "merge", "close_run"} <= set().union(
            *(w.tasks(run_id) for w in workers)
        )
