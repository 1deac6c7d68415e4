"""# Queue metrics: how the notifier's queues are doing

Runs every five minutes. Writes one row to `queue_metrics` for each of the notifier's queues: how many jobs are waiting,
active, delayed or dead now, and how many have completed or failed since the previous row. The task reads only
PostgreSQL. The notifier takes a new row as a sign that Airflow is running.

**The business date does not matter**: a run writes the current numbers.

**When it fails** one data point is missing, and the next run counts the jobs since the last row. If the DAG keeps
failing, check the leads database: the task's log says why the database did not answer.
"""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta

from airflow.sdk import task
from operations_dag import operations_dag


@task
def record_queue_metrics() -> int:
    """Write one row for each queue; return the number of rows."""
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
