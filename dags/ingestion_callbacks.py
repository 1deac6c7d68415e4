"""What happens when a task or a run of an ingestion fails: the run's row in the log tells the truth in any case."""

from __future__ import annotations

from contextlib import closing, suppress
from datetime import date, timedelta
from http import HTTPStatus
from typing import Any

from county import feeds
from county.errors import IngestionError
from county.feed import Feed
from leads.clock import now
from leads.logs import get_logger

log = get_logger(__name__)

#: A run started by hand after midnight waits for its files until 18:00, and then does its work.
LONGEST_WAIT = timedelta(hours=19)
LONGEST_RUN = timedelta(hours=22)


def business_date_of(dag_run: Any, asked: str | None) -> date:
    from county.dates import business_date

    manual = str(getattr(dag_run.run_type, "value", dag_run.run_type)) == "manual"
    return business_date(dag_run.logical_date, asked=asked, manual=manual, now=now())


def run_state(ti: Any, dag_id: str, run_id: str) -> str | None:
    """Return the state that Airflow has for a run, ``GONE`` for an unknown run, None when it does not answer."""
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
    """Write a task's error into the run's row, for on-call and for the DAG-level callback (task level)."""
    import psycopg

    from county import runs
    from county.hooks import leads_connection

    feed = _feed(context)
    error = f"{context['ti'].task_id}: {context.get('exception')}"
    try:
        with closing(leads_connection()) as connection:
            runs.note_error(connection, feed, context["run_id"], error)
    except (IngestionError, psycopg.Error) as away:
        log.error("error_not_recorded", run_id=context["run_id"], error=error, reason=str(away))


def fail_run(context: Any) -> None:
    """End the run's row even when a task's process was killed (DAG level, in the dag-processor)."""
    import psycopg

    from county import runs
    from county.hooks import leads_connection

    day = None
    with suppress(Exception):  # a callback's context may be nearly empty
        day = business_date_of(context["dag_run"], (context["dag_run"].conf or {}).get("business_date"))
    try:
        with closing(leads_connection()) as connection:
            runs.fail_run(
                connection,
                _feed(context),
                context["run_id"],
                day=day,
                reason=_why(context),
            )
    except (IngestionError, psycopg.Error) as away:
        log.error("run_not_ended", run_id=context["run_id"], reason=str(away), consequence="freshness_watch ends it")


def _feed(context: Any) -> Feed:
    feed = feeds.feed_of_dag(context["dag"].dag_id)
    assert feed is not None, "only DAGs of feeds use these callbacks"
    return feed


def _why(context: Any) -> str:
    """Return what is known of a failed run none of whose tasks could write its error."""
    ti, reason = context.get("ti"), context.get("reason")
    if reason == "timed_out":
        return f"the run had not ended after {LONGEST_RUN.total_seconds() / 3600:g} hours. Clear its unfinished tasks."
    where = f"the process of {ti.task_id} was killed or its machine went down" if ti else "the run failed"
    return f"{where}: {reason or 'no reason given'}. See the task's log, then clear it."
