"""# Data cleanup: archive and delete rows past their retention

Runs every night at 3:00 (New York). Deliveries and API logs older than 90 days are archived as compressed JSON lines
below `logs/` in the archive. The task then reads the archived rows back and compares them with the original rows. Only
after that does the task empty the deliveries and delete the logs. An emptied delivery keeps the columns that prove that
it was sent and paid for. Provider events that belong to no delivery are archived and deleted in the same way. Queue
metrics, closed dead letters, alerts, and rejected and unmatched records older than 90 days are deleted. Names in court
records are removed after one year (tenants) or two years (other parties). Archived logs are deleted after two years.
Staging tables of failed runs are dropped after 14 days. Airflow's own metadata is deleted after 90 days (`airflow db
clean`, if the connection `airflow_db` is defined). `operations/retention/rules.py` lists the rules.

**A manual run only counts rows** unless the parameter `dry_run` is off. The run calculates each row's age as of the
business date, so a run for an old date removes only rows that were already too old on that date.

**When it fails** nothing is lost: an unfinished batch is recorded in `cleanup_batches`, and the next run finishes it
first. Read the task's log: the usual cause is that the archive does not answer or is full. Correct the cause, and clear
the task or wait for the next night's run.
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
    """Archive and remove rows; return the number of rows for each rule."""
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
    """Delete old metadata from Airflow's own database, if the connection ``airflow_db`` is defined."""
    from airflow.sdk import BaseHook

    from operations.monitoring import airflow_metadata
    from operations.retention import rules

    try:
        connection = BaseHook.get_connection("airflow_db")
    except AirflowNotFoundException:
        raise AirflowSkipException(
            "Airflow's metadata is not cleaned: define the connection airflow_db with the address of Airflow's database"
        ) from None
    before = _moment() - timedelta(days=rules.AIRFLOW_DAYS)
    airflow_metadata.clean_airflow(airflow_metadata.address(connection), before=before, dry_run=_only_counts())


def _moment() -> datetime:
    """Return the run's logical date, or the current time if that date is missing or in the future."""
    logical_date = get_current_context()["dag_run"].logical_date
    return min(logical_date or now(), now())


def _only_counts() -> bool:
    """Return whether the run only counts rows, which is the default for a manual run but not for a scheduled run."""
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
            description="Only count the rows that a scheduled run would remove, and change nothing.",
        )
    },
) as dag:
    clean_up() >> clean_airflow()
