"""Common settings for the DAGs that ingest no files: start date, owner, and alerts about failures."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pendulum
from airflow.sdk import DAG, get_current_context
from documentation import OWNER, owner_links, with_link

from leads.clock import NEW_YORK, local_day, now
from operations.monitoring import oncall


def operations_dag(
    dag_id: str,
    *,
    description: str,
    schedule: str,
    doc_md: str | None,
    max_duration: timedelta,
    tags: list[str],
    retries: int = 0,
    pool: str = "default_pool",
    params: dict[str, Any] | None = None,
) -> DAG:
    """Return a DAG for short tasks. A run may take at most ``max_duration``; on-call is alerted when a run fails."""
    return DAG(
        dag_id,
        description=description,
        schedule=schedule,
        start_date=pendulum.datetime(2025, 1, 1, tz=NEW_YORK.key),
        catchup=False,
        max_active_runs=1,
        dagrun_timeout=max_duration,
        default_args={
            "owner": OWNER,
            "retries": retries,
            "retry_delay": timedelta(minutes=1),
            "execution_timeout": max_duration,
            "pool": pool,
            "on_failure_callback": oncall.note_failure,
        },
        on_failure_callback=oncall.run_failed,
        on_success_callback=oncall.run_succeeded,
        params=params,
        doc_md=with_link(doc_md, "operations.md"),
        owner_links=owner_links(),
        tags=tags,
    )


def run_day() -> date:
    """Return the current run's business date: the New York date of its logical date, or today if the run has none."""
    return local_day(get_current_context()["dag_run"].logical_date or now())


def today() -> date:
    """Return today's date in New York."""
    return local_day(now())


def is_manual() -> bool:
    """Return whether the run was started by hand, which includes ``airflow dags test``."""
    run_type = get_current_context()["dag_run"].run_type
    return str(getattr(run_type, "value", run_type)) == "manual"
