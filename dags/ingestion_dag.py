"""Builds a feed's DAG. Each task calls a function of ``county``, which is imported only when the task runs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import timedelta
from functools import partial, wraps
from typing import TYPE_CHECKING, Any

import pendulum
from airflow.sdk import (  # type: ignore[attr-defined]  # its stubs lack DeadlineAlert and SyncCallback
    DAG,
    DeadlineAlert,
    Param,
    PokeReturnValue,
    SyncCallback,
    chain,
    get_current_context,
    task,
)
from airflow.sdk.exceptions import AirflowFailException, AirflowRescheduleException, AirflowSkipException
from assets import DELIVERIES, LEADS, table
from documentation import OWNER, owner_links, with_link
from ingestion_callbacks import LONGEST_RUN, LONGEST_WAIT, business_date_of, fail_run, note_error, run_state

from county import feeds
from county.errors import FileStillChanging, PermanentIngestionError, SkipRun
from county.settings import settings
from leads.clock import NEW_YORK, local_day, now
from leads.logs import get_logger
from leads.settings import InvalidSetting, MissingSetting
from operations.monitoring import oncall
from run_deadlines import ScheduledSlot

if TYPE_CHECKING:
    import psycopg

    from county.feed import Feed
    from county.fetch import FetchRequest
    from county.runs import Run, RunKey
    from county.slices import Counts

log = get_logger(__name__)

MERGE_POOL = "ingestion_merge"
#: Time between two checks for a file that the county has not published yet or is still writing.
LOOK_AGAIN = timedelta(minutes=10)
#: The number of retries for a failed task, unless INGESTION_RETRIES is set.
RETRIES = 3
#: The maximum number of connections that a run has open to the county's FTP server at the same time.
DOWNLOADS = 2

PARAMS = {
    "business_date": Param(
        None,
        type=["null", "string"],
        format="date",
        title="Business date",
        description="New York date to run for. If empty: the run's date, or for a manual run the last business day.",
    ),
    "notify": Param(
        None,
        # In Airflow's form, a switch cannot be left empty, so this field offers yes and no instead. Programs may also
        # send true or false.
        type=["null", "string", "boolean"],
        pattern="^(yes|no)$",
        examples=["yes", "no"],
        title="Announce the leads",
        description="yes or no. If empty: yes if the date is at most ALERT_MAX_AGE_DAYS business days old.",
    ),
    "refetch": Param(
        False,
        type="boolean",
        title="Fetch again",
        description="Look for corrected files on the server. A corrected file is archived next to the first one.",
    ),
}


def ingestion_dag(feed: Feed, *, doc_md: str | None) -> DAG:
    """Return the DAG that turns a feed's files from the FTP server into leads and alert rows."""
    with feed_dag(
        feed, dagrun_timeout=LONGEST_RUN, execution_timeout=timedelta(minutes=30), params=PARAMS, doc_md=doc_md
    ) as dag:
        run = open_run(feed.name)
        fetched = fetch.partial(run=run).expand(file=wait_for_files(run))
        staged = stage.partial(run=run).expand(file=fetched)
        merged = merge.override(outlets=[table(name) for name in feed.merges])(run)
        chain(staged, match(run), merged, make_leads(run), write_alerts(run), close_run(run))
    return dag


def feed_dag(feed: Feed, *, execution_timeout: timedelta, doc_md: str | None, **options: Any) -> DAG:
    """Return a feed's DAG without tasks; ``options`` are passed to Airflow's ``DAG`` class."""
    delay = settings.ingestion_retry_delay_seconds
    return DAG(
        feed.dag_id,
        description=feed.description,
        doc_md=with_link(doc_md, "ingestion.md"),
        owner_links=owner_links(),
        schedule=feed.schedule,
        start_date=pendulum.datetime(2025, 1, 1, tz=NEW_YORK.key),
        catchup=False,
        max_active_runs=1,
        default_args={
            "owner": OWNER,
            "retries": RETRIES if settings.ingestion_retries is None else settings.ingestion_retries,
            "retry_delay": timedelta(minutes=feed.retry_minutes) if delay is None else timedelta(seconds=delay),
            "execution_timeout": execution_timeout,
            "on_failure_callback": [note_error, oncall.note_failure],
        },
        on_failure_callback=[fail_run, oncall.run_failed],
        on_success_callback=oncall.run_succeeded,
        deadline=_deadline(feed),
        tags=["ingestion", feed.name],
        **options,
    )


def _deadline(feed: Feed) -> DeadlineAlert | None:
    # Set no deadline under `airflow dags test` in Airflow 3.3. After a successful run, this command looks up the DAG's
    # deadlines in the database, where it has not stored the DAG.
    if feed.late_after is None or sys.argv[1:3] == ["dags", "test"]:
        return None
    return DeadlineAlert(reference=ScheduledSlot(), interval=feed.late_after, callback=SyncCallback(oncall.run_is_late))


def step(function: Callable[..., Any]) -> Callable[..., Any]:
    """Translate errors from ``county`` into Airflow exceptions that skip the run, forbid a retry, or allow a retry."""

    @wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except SkipRun as reason:
            raise AirflowSkipException(str(reason)) from reason
        except (PermanentIngestionError, InvalidSetting, MissingSetting) as error:
            raise AirflowFailException(str(error)) from error
        except Exception as error:
            from county.hooks import database_trouble

            if trouble := database_trouble(error):
                raise trouble from error
            raise

    return wrapped


@task
@step
def open_run(feed_name: str) -> RunKey:
    """Open the run's row in ``data_ingestion_logs``; return the run's key, which every later task needs."""
    from county import runs
    from county.hooks import leads_connection

    context = get_current_context()
    feed, dag_run = feeds.feed(feed_name), context["dag_run"]
    day = business_date_of(dag_run, context["params"]["business_date"])
    with closing(leads_connection()) as connection:
        run = runs.open_run(connection, feed, dag_run.run_id, day)
        state_of = partial(run_state, context["ti"], feed.dag_id)
        runs.end_abandoned(connection, feed, state_of=state_of)
    return run.key


@task.sensor(mode="reschedule", poke_interval=LOOK_AGAIN.total_seconds(), timeout=LONGEST_WAIT.total_seconds())
@step
def wait_for_files(run: RunKey) -> PokeReturnValue:
    """Return the names of the files to fetch, as soon as every required file is archived or published.

    A run for today checks every ten minutes until 18:00. Between checks, the task occupies no worker and no pool slot.
    A check takes a few seconds.
    """
    from county import runs
    from county.archive import open_archive
    from county.fetch import files_to_fetch
    from county.ftp import CountyFtp
    from county.steps import end_step, start_step

    with run_of(run) as (connection, current), closing(CountyFtp()) as server:
        start_step(connection, current.ingestion_id, "wait_for_files", resume=True)
        archive = open_archive(settings.archive_url)
        try:
            files = files_to_fetch(_request(current), server, archive, now=now())
        except SkipRun:
            runs.close_run(connection, current.ingestion_id, "skipped")
            raise
        if files is None:
            return PokeReturnValue(is_done=False)
        runs.warn_of_missing(connection, current, files)
        end_step(connection, current.ingestion_id, "wait_for_files")
    return PokeReturnValue(is_done=True, xcom_value=[file.name for file in files])


@task(max_active_tis_per_dagrun=DOWNLOADS, map_index_template="{{ task.op_kwargs['file'] }}")
@step
def fetch(run: RunKey, file: str) -> dict[str, Any]:
    """Archive one file; return the archived file.

    If the county is still writing the file, the task is rescheduled.
    """
    from county import runs
    from county.archive import open_archive
    from county.dates import can_still_come
    from county.fetch import fetch_file
    from county.ftp import CountyFtp

    with step_of(run, f"fetch {file}") as (connection, current), closing(CountyFtp()) as server:
        archive = open_archive(settings.archive_url)
        try:
            fetched = fetch_file(_request(current), current.feed.file(file), server, archive, now=now())
        except FileStillChanging as changing:
            if not can_still_come(current.day, now()):
                raise
            log.info("file_still_changing", reason=str(changing))
            raise AirflowRescheduleException(now() + LOOK_AGAIN) from changing
        runs.record_file(connection, current, fetched)
    return asdict(fetched)


@task(map_index_template="{{ task.op_kwargs['file']['file'] }}")
@step
def stage(run: RunKey, file: dict[str, Any]) -> dict[str, Any]:
    """Load one archived file into its staging tables; return how many lines were read, staged and rejected."""
    from county.archive import open_archive
    from county.staging import stage_file
    from county.zips import open_lines

    with step_of(run, f"stage {file['file']}") as (connection, current):
        feed_file = current.feed.file(file["file"])
        archive = open_archive(settings.archive_url)
        with open_lines(archive, file["object_name"], feed_file.stem) as stream:
            staged = stage_file(
                connection,
                feed_file,
                stream,
                ingestion_id=current.ingestion_id,
                feed=current.feed.name,
                day=current.day,
                object_name=file["object_name"],
                max_rejected_percent=settings.max_rejected_percent,
            )
    return asdict(staged)


@task
@step
def match(run: RunKey) -> Counts:
    """Match records without a folio to properties by address."""
    from county import pipeline

    with step_of(run, "match") as (connection, current):
        return pipeline.match(connection, current)


@task(pool=MERGE_POOL)
@step
def merge(run: RunKey) -> Counts:
    """Bring documents, parties and properties up to date."""
    from county import pipeline

    with step_of(run, "merge") as (connection, current):
        return pipeline.merge(connection, current)


@task(pool=MERGE_POOL, outlets=[LEADS])
@step
def make_leads(run: RunKey) -> Counts:
    """Create the day's leads, and close leads whose reason has ended."""
    from county import pipeline

    with step_of(run, "make_leads") as (connection, current):
        return pipeline.make_leads(connection, current)


@task(pool=MERGE_POOL, outlets=[DELIVERIES])
@step
def write_alerts(run: RunKey) -> Counts:
    """Enqueue alerts about the day's new leads for the subscribers who want them."""
    from county import pipeline

    with step_of(run, "write_alerts") as (connection, current):
        return pipeline.write_alerts(
            connection,
            current,
            today=local_day(now()),
            max_age_days=settings.alert_max_age_days,
            notify=notify_parameter(),
        )


@task
@step
def close_run(run: RunKey) -> None:
    """Mark the run's row in ``data_ingestion_logs`` as successful."""
    from county import runs

    with run_of(run) as (connection, current):
        runs.close_run(connection, current.ingestion_id)


@contextmanager
def step_of(run: RunKey, name: str) -> Iterator[tuple[psycopg.Connection, Run]]:
    """Yield a connection for a step of the run, and record when the step began and ended (see ``run_of``)."""
    from county.steps import timed_step

    with run_of(run) as (connection, current), timed_step(connection, current.ingestion_id, name):
        yield connection, current


@contextmanager
def run_of(run: RunKey) -> Iterator[tuple[psycopg.Connection, Run]]:
    """Yield a connection for a task of the run; if the run's row was ``failed``, first set it back to ``running``."""
    from county.hooks import leads_connection
    from county.runs import Run, resume_run

    current = Run.of(run)
    with closing(leads_connection()) as connection:
        resume_run(connection, current.ingestion_id)
        yield connection, current


def _request(run: Run) -> FetchRequest:
    from county.fetch import FetchRequest

    refetch = bool(get_current_context()["params"]["refetch"])
    return FetchRequest(run.feed, run.day, lag_days=settings.miami_dade_file_lag_days, refetch=refetch)


def notify_parameter() -> bool | None:
    """Return the run's parameter ``notify``, or None if it is empty."""
    return _yes_or_no(get_current_context()["params"]["notify"])


def _yes_or_no(answer: str | bool | None) -> bool | None:
    return answer == "yes" if isinstance(answer, str) else answer
