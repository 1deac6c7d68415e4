"""# Weekly report: the outcome of last week's leads

Runs every Monday at 9:00 (New York). Enqueues one delivery for each active or trialing subscriber who was subscribed in
the previous week (Monday to Sunday) and has not turned the report off. The DAG only writes rows. The notifier composes
each e-mail when it is due.

**The business date** decides which week the report is about: the last week that ended before that date. The week is
part of the delivery's key, so a rerun does not enqueue the same report again. A run can be repeated until the next week
has ended; a run for an older week enqueues nothing.

**When it fails** no subscriber gets a report until the DAG has run successfully. Read the task's log, correct the
cause, and clear the task in the same week.
"""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta

from airflow.sdk import task
from assets import DELIVERIES
from operations_dag import operations_dag, run_day, today


@task(outlets=[DELIVERIES])
def open_reports() -> dict[str, int]:
    """Enqueue the deliveries; return the counts ``opened`` and ``unpaid``."""
    from county.hooks import leads_connection
    from operations.mailings import scheduled

    with closing(leads_connection()) as connection:
        return scheduled.open_reports(connection, run_day(), today=today())


with operations_dag(
    "weekly_report",
    description="Enqueues one report on the last week for each subscriber who wants it",
    schedule="0 9 * * 1",
    doc_md=__doc__,
    max_duration=timedelta(minutes=15),
    tags=["mailings"],
    retries=2,
) as dag:
    open_reports()
