"""Airflow callbacks that alert on-call about failed and late runs.

Airflow's dag-processor calls the callbacks of a DAG, even if a task's process was killed, but it passes them no
exception. Therefore a failed task's own callback stores the error in ``task_failures``, where the DAG's callback reads
it. Airflow may pass a minimal context, so the callbacks require only the DAG and the run to be in it. Every DAG file
imports this module, so the module imports nothing that is slow to load.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from county.feeds import feed_of_dag
from leads.clock import NEW_YORK, local_day
from leads.logs import get_logger
from leads.redaction import redact

if TYPE_CHECKING:
    import psycopg

log = get_logger(__name__)

ERROR_LENGTH = 2000


def note_failure(context: Mapping[str, Any]) -> None:
    """Store the error of a task whose last try failed; Airflow calls this function for tasks."""
    from airflow.sdk.log import redact as redact_connections  # also masks the secrets in Airflow's connections

    ti = context["ti"]
    error = redact(str(redact_connections(str(context.get("exception") or "no reason given"))))
    with closing(_connection()) as connection:
        connection.execute(
            "INSERT INTO task_failures (dag_id, run_id, task_id, try_number, error, log_url)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            (
                ti.dag_id,
                ti.run_id,
                _task_name(ti),
                ti.try_number,
                error[:ERROR_LENGTH],
                ti.log_url,
            ),
        )


def run_failed(context: Mapping[str, Any]) -> None:
    """Send one alert for a failed run, whatever the cause; Airflow calls this function for DAGs."""
    from leads.alert import alert

    dag, ti = context["dag"], context.get("ti")
    with _database_if_there() as connection:
        failure = _last_failure(connection, context) if connection else {}
        day = _business_date(connection, context) if connection else None
        task = failure.get("task_id") or (_task_name(ti) if ti is not None else "unknown")
        reason = failure.get("error") or _silent_end(context)
        facts = {
            "DAG": dag.dag_id,
            "Run": context["run_id"],
            "Business date": day or "unknown",
            "Task": task,
            "Try": _of_tries(failure.get("try_number") or getattr(ti, "try_number", None), ti),
            "Reason": reason,
            "Log": failure.get("log_url") or getattr(ti, "log_url", None) or _run_url(dag.dag_id, context["run_id"]),
        }
        alert(
            "warning" if dag.dag_id == "queue_metrics" else "critical",
            f"{dag.dag_id} failed" + (f" for {day}" if day else ""),
            _lines(facts),
            _what_to_do(dag.doc_md),
            # Mask digits, so that reasons that differ only in a date or number count as the same cause.
            cause=f"failed:{dag.dag_id}:{task}:{re.sub(r'[0-9]+', '#', reason)}",
            affects=[_affected(dag.dag_id, day)],
            connection=connection,
        )


def run_succeeded(context: Mapping[str, Any]) -> None:
    """After a success, close the DAG's alerts; if the DAG ingests a feed, close only the alerts for the run's date.

    Airflow calls this function for DAGs.
    """
    from leads.alert import recovered

    dag_id = context["dag"].dag_id
    with closing(_connection()) as connection:
        day = _business_date(connection, context)
        recovered(
            f"{dag_id} has succeeded{f' for {day}' if day else ''} (run {context['run_id']}).",
            affected=_affected(dag_id, day),
            connection=connection,
        )


def run_is_late(context: Mapping[str, Any] | None = None) -> None:
    """Alert on-call about a run that is unfinished at its deadline. A failed run has its own alert."""
    from leads.alert import alert

    run = dict((context or {}).get("dag_run") or {})
    if run.get("state") in ("failed", "success"):
        return
    dag_id, run_id = str(run.get("dag_id")), str(run.get("dag_run_id"))
    day = _slot_day(run) if feed_of_dag(dag_id) is not None else None
    facts = {
        "DAG": dag_id,
        "Run": run_id,
        "Business date": day or "unknown",
        "State": run.get("state", "unknown"),
        "Should have ended by": _in_new_york((context or {}).get("deadline", {}).get("deadline_time")),
        "Page": _run_url(dag_id, run_id),
    }
    with _database_if_there() as connection:
        alert(
            "critical",
            f"{dag_id} is late" + (f" for {day}" if day else ""),
            _lines(facts),
            "Open the run's page. wait_for_files waits until 18:00 for files that the county has not published yet: "
            "ask the county. A queued task waits for a worker or a pool; see the log of a running one.",
            cause=f"late:{dag_id}:{run_id}",
            affects=[_affected(dag_id, day)],
            connection=connection,
        )


def _connection() -> psycopg.Connection:
    from county.hooks import leads_connection

    return leads_connection()


@contextmanager
def _database_if_there() -> Iterator[psycopg.Connection | None]:
    try:
        connection = _connection()
    except Exception as error:  # the alert may be about the database itself
        log.warning("database_away", reason=redact(str(error)), consequence="on-call is alerted without the database")
        yield None
        return
    with closing(connection):
        yield connection


def _last_failure(connection: psycopg.Connection, context: Mapping[str, Any]) -> dict[str, Any]:
    from psycopg.rows import dict_row

    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            "SELECT task_id, try_number, error, log_url FROM task_failures"
            # Ignore errors from before the run was cleared, because they did not cause this failure.
            " WHERE dag_id = %s AND run_id = %s AND failed_at >= coalesce(%s, now() - interval '1 day')"
            " ORDER BY id DESC LIMIT 1",
            (context["dag"].dag_id, context["run_id"], getattr(context.get("dag_run"), "start_date", None)),
        ).fetchone()
    return dict(row or {})


def _business_date(connection: psycopg.Connection, context: Mapping[str, Any]) -> date | None:
    """Return the business date of a feed's run, or None for other DAGs.

    For other DAGs, the next success makes up for a failed run.
    """
    feed = feed_of_dag(context["dag"].dag_id)
    if feed is None:
        return None
    row = connection.execute(
        "SELECT ingestion_date FROM data_ingestion_logs WHERE ingestion_type = %s AND run_id = %s",
        (feed.ingestion_type, str(context["run_id"])),
    ).fetchone()
    if row is not None and row[0] is not None:
        day: date = row[0]
        return day
    run = context.get("dag_run")
    moment = getattr(run, "logical_date", None) or getattr(run, "run_after", None)
    return local_day(moment) if moment is not None else None


def _affected(dag_id: str, day: date | None) -> str:
    return f"{dag_id}/{day}" if day is not None else dag_id


def _slot_day(run: Mapping[str, Any]) -> date | None:
    moment = run.get("logical_date") or run.get("run_after")
    return local_day(_moment(moment)) if moment else None


def _moment(value: Any) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(str(value).replace("Z", "+00:00"))


def _in_new_york(value: Any) -> str:
    return f"{_moment(value).astimezone(NEW_YORK):%Y-%m-%d %H:%M %Z}" if value else "its deadline"


def _lines(facts: Mapping[str, Any]) -> str:
    return "\n".join(f"{name}: {value}" for name, value in facts.items())


def _task_name(ti: Any) -> str:
    index = getattr(ti, "map_index", -1)
    return f"{ti.task_id}[{index}]" if index is not None and index >= 0 else str(ti.task_id)


def _of_tries(number: int | None, ti: Any) -> str:
    retries = getattr(getattr(ti, "task", None), "retries", None)
    return f"{number or 'unknown'}" + (f" of {retries + 1}" if retries is not None else "")


def _silent_end(context: Mapping[str, Any]) -> str:
    reason = context.get("reason") or "task_failure"
    if reason == "timed_out":
        return "the run took longer than its dagrun_timeout; unfinished tasks were stopped"
    if context.get("ti") is None:
        return f"no task reported an error ({reason})"
    return f"the task's process was killed or its machine went down: it left no message ({reason})"


def _what_to_do(doc_md: str | None) -> str:
    """Return the paragraph of the DAG's documentation that begins with "When it fails"."""
    found = re.search(r"\*\*When it fails\*\*(.*?)(?:\n\s*\n|\Z)", doc_md or "", re.DOTALL)
    advice = " ".join(found[1].split()) if found else "read the log, correct the cause, clear the failed task."
    return advice[:1].upper() + advice[1:]


def _run_url(dag_id: str, run_id: str) -> str:
    from urllib.parse import quote

    from airflow.configuration import conf

    return f"{conf.get('api', 'base_url', fallback='').rstrip('/')}/dags/{dag_id}/runs/{quote(run_id)}"
