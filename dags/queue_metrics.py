"""# Queue metrics: how the notifier's queues are doing

Every five minutes. Writes one row of `queue_metrics` for each of the notifier's queues: what waits, runs, is delayed
and dead now; what was completed and failed since the row before. Read from PostgreSQL alone. The queues page draws
its curves from it, and the notifier takes it for the sign that Airflow lives.

**The business date does not matter**: a run writes what is there at that moment.

**When it fails** nothing is lost but a point of the curves, and the next run counts from the last row on. If it keeps
failing, look whether the leads database answers: the task's log says why it did not.
"""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta

from airflow.sdk import task
from operations_dag import operations_dag


@task
def record_queue_metrics() -> int:
    """Writes the rows; returns how many."""
    from county.hooks import leads_connection
    from operations.monitoring import queue_metrics

    with closing(leads_connection()) as connection:
        return queue_metrics.record_queue_metrics(connection)


with operations_dag(
    "queue_metrics",
    description="Records how the notifier's queues are doing",
    schedule="*/5 * * * *",
    doc_md=__doc__,
    max_duration=timedelta(minutes=4),
    tags=["watching"],
) as dag:
    record_queue_metrics()
