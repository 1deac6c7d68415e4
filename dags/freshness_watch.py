"""# Freshness watch: what should be there and is not

Every quarter of an hour. Compares the schedules of the feeds with `data_ingestion_logs` and tells on-call, once a
cause and hour, of a run that never started (half an hour after its time) and of a feed whose newest data is too old;
and tells when that is over. A row that still says `running` though Airflow's run has ended (the database was away at
that moment) becomes `failed`. Also sends again what no address of on-call has taken yet.

**The business date does not matter**: a run looks at what is there at that moment.

**When it fails** nobody is told of missing runs until the next quarter of an hour. The task's log says why; mostly
the leads database does not answer.
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
    """Ends what nobody could end, tells of missing runs and stale feeds; returns those."""
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
