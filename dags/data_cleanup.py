"""# Data cleanup: archive and delete rows past their retention

Every night at 3:00 New York. E-mail and text deliveries and API logs older than 90 days are archived as compressed
JSON lines below `logs/` of the archive, read back and compared, and only then emptied (deliveries keep what proves
that something was sent and paid for) or deleted. The same holds for provider events without a delivery of ours. Queue
metrics, closed dead letters, rejected and unmatched records older than 90 days are deleted, staging tables of failed
runs after 14 days, Airflow's own metadata after 90 (`airflow db clean`, when the connection `airflow_db` is defined).
`operations/retention/rules.py` has the table.

**A manual run only counts** unless the parameter `dry_run` is off. The business date is the limit: a run for an old
date removes what was too old on that date, and no run removes what is younger today.

**When it fails** nothing is lost: an unfinished batch is in `cleanup_batches`, and the next run finishes it first.
Read the task's log (usually the archive does not answer or is full), correct what it names, and clear the task, or
wait for the next night.
"""

from __future__ import annotations

from contextlib import closing
from datetime import datetime, timedelta

from airflow.sdk import Param, get_current_context, task
from airflow.sdk.exceptions import AirflowNotFoundException, AirflowSkipException
from operations_dag import is_manual, operations_dag

from leads.clock import now


@task
def clean_up() -> dict[str, int]:
    """Archive and remove rows; return their number for each rule."""
    from county.archive import open_archive
    from county.hooks import leads_connection
    from county.settings import settings
    from operations.retention import cleanup

    with closing(leads_connection()) as connection:
        return cleanup.clean_up(
            connection, open_archive(settings.archive_url), moment=_moment(), dry_run=_only_counts()
        )


@task(trigger_rule="all_done")
def clean_airflow() -> None:
    """Clean Airflow's own database, if the connection ``airflow_db`` gives its address."""
    from airflow.sdk import BaseHook

    from operations.monitoring import airflow_metadata
    from operations.retention import rules

    try:
        connection = BaseHook.get_connection("airflow_db")
    except AirflowNotFoundException:
        raise AirflowSkipException(
            "Airflow's metadata is not cleaned: define the connection airflow_db, the address of its own database"
        ) from None
    before = _moment() - timedelta(days=rules.AIRFLOW_DAYS)
    airflow_metadata.clean_airflow(airflow_metadata.address(connection), before=before, dry_run=_only_counts())


def _moment() -> datetime:
    """Return the run's logical date, never a time in the future."""
    logical_date = get_current_context()["dag_run"].logical_date
    return min(logical_date or now(), now())


def _only_counts() -> bool:
    """Return whether to count only: the default of a manual run, not of a scheduled one."""
    context = get_current_context()
    if is_manual():
        return bool(context["params"]["dry_run"])
    return bool((context["dag_run"].conf or {}).get("dry_run", False))


with operations_dag(
    "data_cleanup",
    description="Archives and deletes rows past their retention",
    schedule="0 3 * * *",
    doc_md=__doc__,
    max_duration=timedelta(hours=2),
    tags=["operations"],
    pool="maintenance",
    params={
        "dry_run": Param(
            True,
            type="boolean",
            title="Only count",
            description="By hand: say what would go and change nothing. Runs of the schedule do it.",
        )
    },
) as dag:
    clean_up() >> clean_airflow()
