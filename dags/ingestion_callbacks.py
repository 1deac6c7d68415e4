"""What happens when a task or a run of an ingestion fails: the log's row tells the truth whatever has died."""

from __future__ import annotations

import logging
from contextlib import closing, suppress
from datetime import date, datetime, timedelta
from http import HTTPStatus
from typing import Any

import pendulum

from county import feeds
from county.errors import IngestionError

log = logging.getLogger(__name__)

#: A run that somebody starts after midnight waits for its files until 18:00, and then has to work.
LONGEST_WAIT = timedelta(hours=19)
LONGEST_RUN = timedelta(hours=22)


def now() -> datetime:
    return pendulum.now("UTC")


def business_date_of(dag_run: Any, asked: str | None) -> date:
    from county.dates import business_date

    manual = str(getattr(dag_run.run_type, "value", dag_run.run_type)) == "manual"
    return business_date(dag_run.logical_date, asked=asked, manual=manual, now=now())


def run_state(ti: Any, dag_id: str, run_id: str) -> str | None:
    """What Airflow says of a run, ``GONE`` of one that it does not know; None when it cannot say now."""
    from county.runs import GONE

    try:
        state = ti.get_dagrun_state(dag_id, run_id)
    except Exception as error:
        # A task's error carries the answer's status in its detail, that of `airflow dags test` the answer itself.
        detail = getattr(getattr(error, "error", None), "detail", None) or {}
        status = detail.get("status_code", getattr(getattr(error, "response", None), "status_code", None))
        return GONE if status == HTTPStatus.NOT_FOUND else None
    return str(getattr(state, "value", state))


def note_error(context: Any) -> None:
    """Task level: keeps the reason in the log's row, for on-call and for the DAG-level callback."""
    import psycopg

    from county import runs
    from county.hooks import leads_connection

    feed = feeds.feed(context["dag"].dag_id.removesuffix("_ftp_ingestion"))
    error = f"{context['ti'].task_id}: {context.get('exception')}"
    try:
        with closing(leads_connection()) as connection:
            runs.note_error(connection, feed, context["run_id"], error)
    except (IngestionError, psycopg.Error) as away:
        log.error("%s. This could not be written into data_ingestion_logs: %s", error, away)


def fail_run(context: Any) -> None:
    """DAG level, in the dag-processor: ends the log's row even when a task's process was killed."""
    import psycopg

    from county import runs
    from county.hooks import leads_connection

    dag_id = context["dag"].dag_id
    day = None
    with suppress(Exception):  # the context of a callback may hold next to nothing
        day = business_date_of(context["dag_run"], (context["dag_run"].conf or {}).get("business_date"))
    try:
        with closing(leads_connection()) as connection:
            runs.fail_run(
                connection,
                feeds.feed(dag_id.removesuffix("_ftp_ingestion")),
                context["run_id"],
                dag_id=dag_id,
                day=day,
                reason=_why(context),
            )
    except (IngestionError, psycopg.Error) as away:
        log.error("%s: its row in data_ingestion_logs is ended by freshness_watch (%s)", context["run_id"], away)


def _why(context: Any) -> str:
    """What is known of a failed run of which no task could say anything."""
    ti, reason = context.get("ti"), context.get("reason")
    if reason == "timed_out":
        return f"the run had not ended after {LONGEST_RUN.total_seconds() / 3600:g} hours. Clear its unfinished tasks."
    where = f"{ti.task_id} died without a word (killed, or its machine went down)" if ti else "the run failed"
    return f"{where}: {reason or 'no reason given'}. See the task's log, then clear it."
