"""Builds the DAG of a feed: what runs when. What a step does is in ``county``, imported when it runs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from datetime import date, datetime, timedelta
from functools import wraps
from typing import TYPE_CHECKING, Any

import pendulum
from airflow.sdk import DAG, DeadlineAlert, Param, PokeReturnValue, SyncCallback, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from run_deadlines import ScheduledSlot
from upkeep import oncall
from upkeep.schedules import FEEDS

from county import feeds, settings
from county.errors import GiveUp, NothingToDo

if TYPE_CHECKING:
    from county.fetch import Request

NEW_YORK = "America/New_York"
MERGE_POOL = "ingestion_merge"

PARAMS = {
    "business_date": Param(
        None,
        type=["null", "string"],
        format="date",
        title="Business date",
        description="New York date to run for; empty: the run's own date, by hand the last business day.",
    ),
    "notify": Param(
        None,
        type=["null", "boolean"],
        title="Announce the leads",
        description="Empty: only when the date is recent (ALERT_MAX_AGE_DAYS).",
    ),
    "refetch": Param(
        False,
        type="boolean",
        title="Fetch again",
        description="Look for corrected files on the server; a correction is archived beside the first file.",
    ),
}


def ingestion_dag(feed_name: str, *, dag_id: str, schedule: str, doc_md: str | None) -> DAG:
    """The DAG that brings the files of one feed in, from the FTP server to alert rows."""
    feed = feeds.feed(feed_name)
    with DAG(
        dag_id,
        schedule=schedule,
        start_date=pendulum.datetime(2025, 1, 1, tz=NEW_YORK),
        catchup=False,
        max_active_runs=1,
        dagrun_timeout=timedelta(hours=14),
        default_args={
            "owner": "data-engineering",
            "retries": settings.retries(3),
            "retry_delay": timedelta(seconds=settings.retry_delay_seconds(60 * feed.retry_minutes)),
            "execution_timeout": timedelta(minutes=30),
            "on_failure_callback": [note_error, oncall.note_failure],
        },
        on_failure_callback=[fail_run, oncall.run_failed],
        on_success_callback=oncall.run_succeeded,
        deadline=_deadline(dag_id),
        params=PARAMS,
        doc_md=doc_md,
        tags=["ingestion", feed.name],
    ) as dag:
        run = open_run(feed_name)
        files = fetch(wait_for_files(run))
        staged = stage.partial(run=run).expand(file=files)
        merged = merge(match(run, staged))
        close_run(write_alerts(make_leads(merged)))
    return dag


def _deadline(dag_id: str) -> DeadlineAlert | None:
    schedule = FEEDS.get(dag_id)
    if schedule is None:
        return None
    return DeadlineAlert(
        reference=ScheduledSlot(), interval=schedule.late_after, callback=SyncCallback(oncall.run_is_late)
    )


def step(function: Callable[..., Any]) -> Callable[..., Any]:
    """Says in Airflow's words what the library says in its own."""

    @wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except NothingToDo as nothing:
            raise AirflowSkipException(str(nothing)) from nothing
        except GiveUp as error:
            raise AirflowFailException(str(error)) from error

    return wrapped


@task
@step
def open_run(feed_name: str) -> dict[str, Any]:
    """Opens the run's row in the log; returns what all further steps need to know."""
    from county import runs
    from county.dates import business_date
    from county.hooks import leads_connection

    context = get_current_context()
    dag_run = context["dag_run"]
    day = business_date(
        dag_run.logical_date,
        asked=context["params"]["business_date"],
        manual=str(getattr(dag_run.run_type, "value", dag_run.run_type)) == "manual",
        now=_now(),
    )
    with closing(leads_connection()) as connection:
        ingestion_id = runs.open_run(connection, feeds.feed(feed_name), dag_run.run_id, day)
    return {"feed": feed_name, "ingestion_id": ingestion_id, "day": day.isoformat()}


@task.sensor(mode="reschedule", poke_interval=600, timeout=13 * 3600)
@step
def wait_for_files(run: dict[str, Any]) -> PokeReturnValue:
    """Waits, holding no worker, for files that can still come today; fetching then says what is missing."""
    from county.archive import open_archive
    from county.fetch import files_are_there
    from county.ftp import CountyFtp

    with closing(CountyFtp()) as server:
        there = files_are_there(_request(run), server, open_archive(settings.archive_url()), now=_now())
    return PokeReturnValue(is_done=there, xcom_value=run)


@task
@step
def fetch(run: dict[str, Any]) -> list[dict[str, Any]]:
    """Archives the day's files; returns where they are."""
    from county import runs
    from county.archive import open_archive
    from county.fetch import fetch_files
    from county.ftp import CountyFtp
    from county.hooks import leads_connection

    request = _request(run)
    with closing(leads_connection()) as connection, closing(CountyFtp()) as server:
        try:
            fetched = fetch_files(request, server, open_archive(settings.archive_url()), now=_now())
        except NothingToDo:
            runs.close_run(connection, run["ingestion_id"], "skipped")
            raise
        runs.record_files(connection, request.feed, run["ingestion_id"], fetched)
    return [asdict(file) for file in fetched]


@task(map_index_template="{{ task.op_kwargs['file']['file'] }}")
@step
def stage(run: dict[str, Any], file: dict[str, Any]) -> dict[str, Any]:
    """Loads one archived file into its staging table."""
    from county.archive import open_archive
    from county.fetch import open_lines
    from county.hooks import leads_connection
    from county.staging import stage_file

    feed = feeds.feed(run["feed"])
    feed_file = feed.file(file["file"])
    with (
        closing(leads_connection()) as connection,
        open_lines(open_archive(settings.archive_url()), file["object_name"], feed_file.stem) as stream,
    ):
        staged = stage_file(
            connection,
            feed_file,
            stream,
            ingestion_id=run["ingestion_id"],
            feed=feed.name,
            day=date.fromisoformat(run["day"]),
            object_name=file["object_name"],
            max_rejected_percent=settings.max_rejected_percent(),
        )
    return asdict(staged)


@task
@step
def match(run: dict[str, Any], staged: list[dict[str, Any]]) -> dict[str, Any]:
    """Finds a folio for records without one."""
    del staged  # what is staged is in the database; the argument only says that staging comes first
    return _pipeline_step("match", run)


@task(pool=MERGE_POOL)
@step
def merge(run: dict[str, Any]) -> dict[str, Any]:
    """Brings documents, parties and properties up to date."""
    return _pipeline_step("merge", run)


@task(pool=MERGE_POOL)
@step
def make_leads(run: dict[str, Any]) -> dict[str, Any]:
    """Makes the day's leads and closes those whose reason has ended."""
    return _pipeline_step("make_leads", run)


@task(pool=MERGE_POOL)
@step
def write_alerts(run: dict[str, Any]) -> dict[str, Any]:
    """Writes one delivery for each subscriber and new lead."""
    from leads.days import local_day

    return _pipeline_step(
        "write_alerts",
        run,
        today=local_day(_now()),
        max_age_days=settings.alert_max_age_days(),
        notify=get_current_context()["params"]["notify"],
    )


@task
@step
def close_run(run: dict[str, Any]) -> dict[str, Any]:
    """Ends the run's row in the log."""
    from county import runs
    from county.hooks import leads_connection

    with closing(leads_connection()) as connection:
        runs.close_run(connection, run["ingestion_id"])
    return run


def _pipeline_step(name: str, run: dict[str, Any], **options: Any) -> dict[str, Any]:
    from county import pipeline
    from county.hooks import leads_connection

    with closing(leads_connection()) as connection:
        counts = getattr(pipeline, name)(
            connection,
            feeds.feed(run["feed"]),
            run["ingestion_id"],
            date.fromisoformat(run["day"]),
            **options,
        )
    return {**run, name: counts}


def _request(run: dict[str, Any]) -> Request:
    from county.fetch import Request

    return Request(
        feeds.feed(run["feed"]),
        date.fromisoformat(run["day"]),
        lag_days=settings.file_lag_days(),
        refetch=bool(get_current_context()["params"]["refetch"]),
    )


def _now() -> datetime:
    return pendulum.now("UTC")


def note_error(context: Any) -> None:
    """Task level: keeps the reason in the log's row, for on-call and for the DAG-level callback."""
    from county import runs
    from county.hooks import leads_connection

    feed = feeds.feed(context["dag"].dag_id.removesuffix("_ftp_ingestion"))
    error = f"{context['ti'].task_id}: {context.get('exception')}"
    with closing(leads_connection()) as connection:
        runs.note_error(connection, feed, context["run_id"], error)


def fail_run(context: Any) -> None:
    """DAG level, in the dag-processor: ends the log's row even when a task's process was killed."""
    from county import runs
    from county.hooks import leads_connection

    dag_id = context["dag"].dag_id
    ti = context.get("ti")
    where = f"{ti.task_id} died without a word (killed, or its machine went down)" if ti else "the run failed"
    with closing(leads_connection()) as connection:
        runs.fail_run(
            connection,
            feeds.feed(dag_id.removesuffix("_ftp_ingestion")),
            context["run_id"],
            dag_id=dag_id,
            reason=f"{where}: {context.get('reason') or 'no reason given'}. See the task's log, then clear it.",
        )
