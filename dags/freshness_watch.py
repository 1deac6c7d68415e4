"""# Freshness watch: missing runs and stale data

Runs every 15 minutes. Compares the feeds' schedules with the runs in `data_ingestion_logs`. Alerts on-call if a run has
not started half an hour after its scheduled time, or if a feed's latest data is too old. On-call gets at most one alert
per hour for each cause, and is notified when the problem is over. If a run has ended in Airflow but its row is still
`running`, the task marks the row as `failed`. This happens, for example, if the database was unreachable when the run
ended. The task also resends alerts that no on-call address has accepted yet.

**The business date does not matter**: a run checks the current state.

**When it fails** on-call learns of missing runs from the next run, 15 minutes later. Read the task's log: the usual
cause is that the leads database does not answer.
"""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from functools import partial

from airflow.sdk import get_current_context, task
from ingestion_callbacks import run_state
from operations_dag import operations_dag

from leads.clock import now


@task
def watch_feeds() -> dict[str, list[str]]:
    """Mark abandoned runs as failed, and alert on-call about missing runs and stale feeds.

    Return the missing runs and stale feeds by DAG id.
    """
    from county.hooks import leads_connection
    from leads.alert import send_pending_alerts
    from operations.monitoring import freshness

    state_of = partial(run_state, get_current_context()["ti"])
    with closing(leads_connection()) as connection:
        freshness.end_abandoned_runs(connection, state_of)
        found = freshness.watch_feeds(connection, now=now())
        send_pending_alerts(connection)
    return found


with operations_dag(
    "freshness_watch",
    description="Alerts on-call about missing runs and stale data",
    schedule="*/15 * * * *",
    doc_md=__doc__,
    max_duration=timedelta(minutes=10),
    tags=["watching"],
    retries=1,
) as dag:
    watch_feeds()
