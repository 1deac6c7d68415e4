"""Callbacks for failed tasks and runs of an ingestion; they keep the run's row in ``data_ingestion_logs`` correct."""

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
from leads.redaction import redact

log = get_logger(__name__)

#: A run that starts just after midnight may wait for its files until 18:00 before it runs the other steps.
LONGEST_WAIT = timedelta(hours=19)
LONGEST_RUN = timedelta(hours=22)


def business_date_of(dag_run: Any, asked: str | None) -> date:
    """Return the business date of a run; ``asked`` is the run's parameter ``business_date``, or None."""
    from county.dates import business_date

    manual = str(getattr(dag_run.run_type, "value", dag_run.run_type)) == "manual"
    return business_date(dag_run.logical_date, asked=asked, manual=manual, now=now())


def run_state(ti: Any, dag_id: str, run_id: str) -> str | None:
    """Return a run's state in Airflow, ``GONE`` if there is no such run, or None if Airflow does not answer."""
    from county.runs import GONE

    try:
        state = ti.get_dagrun_state(dag_id, run_id)
    except Exception as error:
        # In a task, the error's detail contains the HTTP status; under `airflow dags test`, the error contains the HTTP
        # response.
        detail = getattr(getattr(error, "error", None), "detail", None) or {}
        status = detail.get("status_code", getattr(getattr(error, "response", None), "status_code", None))
        return GONE if status == HTTPStatus.NOT_FOUND else None
    return str(getattr(state, "value", state))


def note_error(context: Any) -> None:
    """Write a failed task's error into the run's row, for operators and for the DAG's own callback ``fail_run``."""
    import psycopg
    from airflow.sdk.log import redact as redact_connections  # masks secrets from Airflow's connections

    from county import runs
    from county.hooks import leads_connection

    feed = _feed(context)
    error = str(redact_connections(f"{context['ti'].task_id}: {context.get('exception')}"))
    try:
        with closing(leads_connection()) as connection:
            runs.note_error(connection, feed, context["run_id"], error)
    except (IngestionError, psycopg.Error) as away:
        log.error("error_not_recorded", run_id=context["run_id"], error=redact(error), reason=redact(str(away)))


def fail_run(context: Any) -> None:
    """Mark the run's row as failed. The dag-processor calls this function even if a task's process was killed."""
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
        log.error(
            "run_not_ended", run_id=context["run_id"], reason=redact(str(away)), consequence="freshness_watch ends it"
        )


def _feed(context: Any) -> Feed:
    feed = feeds.feed_of_dag(context["dag"].dag_id)
    assert feed is not None, "only DAGs of feeds use these callbacks"
    return feed


def _why(context: Any) -> str:
    """Return the reason to record for a failed run if no task could write its error."""
    ti, reason = context.get("ti"), context.get("reason")
    if reason == "timed_out":
        return f"the run had not ended after {LONGEST_RUN.total_seconds() / 3600:g} hours. Clear its unfinished tasks."
    where = f"the process of {ti.task_id} was killed or its machine went down" if ti else "the run failed"
    return f"{where}: {reason or 'no reason given'}. See the task's log, then clear it."
