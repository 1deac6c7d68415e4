"""Builds the DAG of a feed: what runs when. What a step does is in ``county``, imported when it runs."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import date, timedelta
from functools import partial, wraps
from typing import TYPE_CHECKING, Any

import pendulum
from airflow.sdk import DAG, DeadlineAlert, Param, PokeReturnValue, SyncCallback, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from ingestion_callbacks import LONGEST_RUN, LONGEST_WAIT, business_date_of, fail_run, note_error, now, run_state

from county import feeds, settings
from county.errors import FileStillChanging, PermanentIngestionError, SkipRun
from operations.monitoring import oncall
from operations.monitoring.schedules import FEEDS
from run_deadlines import ScheduledSlot

if TYPE_CHECKING:
    import psycopg

    from county.feeds import Feed
    from county.fetch import FetchRequest

log = logging.getLogger(__name__)

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
        # A switch of the form cannot say "as usual": so words for people, true and false for programs.
        type=["null", "string", "boolean"],
        pattern="^(yes|no)$",
        examples=["yes", "no"],
        title="Announce the leads",
        description="yes or no; empty: when the date is recent (at most ALERT_MAX_AGE_DAYS business days old).",
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
    with feed_dag(
        feed,
        dag_id,
        schedule=schedule,
        dagrun_timeout=LONGEST_RUN,
        execution_timeout=timedelta(minutes=30),
        deadline=_deadline(dag_id),
        params=PARAMS,
        doc_md=doc_md,
    ) as dag:
        run = open_run(feed_name)
        staged = stage.partial(run=run).expand(file=fetch(run))
        merged = merge(match(run, staged))
        close_run(write_alerts(make_leads(merged)))
    return dag


def feed_dag(feed: Feed, dag_id: str, *, execution_timeout: timedelta, **options: Any) -> DAG:
    """A DAG that brings a feed in, still without tasks; ``options`` are those of this DAG alone."""
    return DAG(
        dag_id,
        start_date=pendulum.datetime(2025, 1, 1, tz=NEW_YORK),
        catchup=False,
        max_active_runs=1,
        default_args={
            "owner": "data-engineering",
            "retries": settings.retries(3),
            "retry_delay": timedelta(seconds=settings.retry_delay_seconds(60 * feed.retry_minutes)),
            "execution_timeout": execution_timeout,
            "on_failure_callback": [note_error, oncall.note_failure],
        },
        on_failure_callback=[fail_run, oncall.run_failed],
        on_success_callback=oncall.run_succeeded,
        tags=["ingestion", feed.name],
        **options,
    )


def _deadline(dag_id: str) -> DeadlineAlert | None:
    schedule = FEEDS.get(dag_id)
    # At the end of a good run, `airflow dags test` (3.3) looks for the stored deadlines of a DAG that it never stored.
    if schedule is None or sys.argv[1:3] == ["dags", "test"]:
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
        except SkipRun as nothing:
            raise AirflowSkipException(str(nothing)) from nothing
        except PermanentIngestionError as error:
            raise AirflowFailException(str(error)) from error
        except Exception as error:
            from county.hooks import database_trouble

            if trouble := database_trouble(error):
                raise trouble from error
            raise

    return wrapped


@task
@step
def open_run(feed_name: str) -> dict[str, Any]:
    """Opens the run's row in the log; returns what all further steps need to know."""
    from county import runs
    from county.hooks import leads_connection

    context = get_current_context()
    feed, dag_run = feeds.feed(feed_name), context["dag_run"]
    day = business_date_of(dag_run, context["params"]["business_date"])
    with closing(leads_connection()) as connection:
        ingestion_id = runs.open_run(connection, feed, dag_run.run_id, day)
        state_of = partial(run_state, context["ti"], dag_run.dag_id)
        runs.end_abandoned(connection, feed, dag_id=dag_run.dag_id, state_of=state_of)
    return {"feed": feed_name, "ingestion_id": ingestion_id, "day": day.isoformat()}


@task.sensor(mode="reschedule", poke_interval=600, timeout=LONGEST_WAIT.total_seconds())
@step
def fetch(run: dict[str, Any]) -> PokeReturnValue:
    """Archives the day's files; gives where they are.

    While a file can still come today, or is being written, it looks again later and holds no worker meanwhile.
    """
    from county import runs
    from county.archive import open_archive
    from county.dates import can_still_come
    from county.fetch import fetch_files, files_are_there
    from county.ftp import CountyFtp

    request, moment = _request(run), now()
    archive = open_archive(settings.archive_url())
    with leads_database(run) as connection, closing(CountyFtp()) as server:
        try:
            if not files_are_there(request, server, archive, now=moment):
                return PokeReturnValue(is_done=False)
            fetched = fetch_files(request, server, archive, now=moment)
        except FileStillChanging as changing:
            if not can_still_come(request.day, moment):
                raise
            log.info("%s", changing)
            return PokeReturnValue(is_done=False)
        except SkipRun:
            runs.close_run(connection, run["ingestion_id"], "skipped")
            raise
        runs.record_files(connection, request.feed, run["ingestion_id"], fetched)
    return PokeReturnValue(is_done=True, xcom_value=[asdict(file) for file in fetched])


@task(map_index_template="{{ task.op_kwargs['file']['file'] }}")
@step
def stage(run: dict[str, Any], file: dict[str, Any]) -> dict[str, Any]:
    """Loads one archived file into its staging table."""
    from county.archive import open_archive
    from county.fetch import open_lines
    from county.staging import stage_file

    feed = feeds.feed(run["feed"])
    feed_file = feed.file(file["file"])
    with (
        leads_database(run) as connection,
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
    from leads.business_days import local_day

    return _pipeline_step(
        "write_alerts",
        run,
        today=local_day(now()),
        max_age_days=settings.alert_max_age_days(),
        notify=_yes_or_no(get_current_context()["params"]["notify"]),
    )


@task
@step
def close_run(run: dict[str, Any]) -> dict[str, Any]:
    """Ends the run's row in the log."""
    from county import runs

    with leads_database(run) as connection:
        runs.close_run(connection, run["ingestion_id"])
    return run


def _pipeline_step(name: str, run: dict[str, Any], **options: Any) -> dict[str, Any]:
    from county import pipeline

    with leads_database(run) as connection:
        counts = getattr(pipeline, name)(
            connection,
            feeds.feed(run["feed"]),
            run["ingestion_id"],
            date.fromisoformat(run["day"]),
            **options,
        )
    return {**run, name: counts}


@contextmanager
def leads_database(run: dict[str, Any]) -> Iterator[psycopg.Connection]:
    """A connection for a step of the run, whose row in the log says that it is at work (again)."""
    from county import runs
    from county.hooks import leads_connection

    with closing(leads_connection()) as connection:
        runs.resume_run(connection, run["ingestion_id"])
        yield connection


def _request(run: dict[str, Any]) -> FetchRequest:
    from county.fetch import FetchRequest

    return FetchRequest(
        feeds.feed(run["feed"]),
        date.fromisoformat(run["day"]),
        lag_days=settings.file_lag_days(),
        refetch=bool(get_current_context()["params"]["refetch"]),
    )


def _yes_or_no(answer: str | bool | None) -> bool | None:
    return answer == "yes" if isinstance(answer, str) else answer
