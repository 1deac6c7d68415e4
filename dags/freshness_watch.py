"""# Freshness watch: missing runs and stale data

Every 15 minutes. Compares the schedules of the feeds with `data_ingestion_logs`. Alerts on-call of a run that never
started (half an hour after its time) and of a feed whose newest data is too old, at most once an hour for each cause,
and says when it is over. A row that still says `running` although Airflow's run has ended (the database was
unreachable at that time) becomes `failed`. Also sends alerts again that no on-call address has accepted yet.

**The business date does not matter**: a run checks the current state.

**When it fails** on-call hears of missing runs 15 minutes later. The task's log says why; usually the leads database
does not answer.
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
    """Close the rows of ended runs, alert on-call about missing runs and stale feeds; return the missing and stale."""
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
    description="Alerts on-call of missing runs and stale data",
    schedule="*/15 * * * *",
    doc_md=__doc__,
    max_duration=timedelta(minutes=10),
    tags=["watching"],
    retries=1,
) as dag:
    watch_feeds()
