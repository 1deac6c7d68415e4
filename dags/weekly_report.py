"""# Weekly report: the outcome of last week's leads

Every Monday at 9:00 New York. Enqueues one delivery for each active or trialing subscriber who was subscribed in that
week and whose preferences do not say no, for the week (Monday to Sunday) before. It only writes rows: the notifier
writes the content when it sends.

**The business date** says which week: the last that was over. The week is part of the delivery's key, so a rerun
enqueues nothing twice. It can be run again until the next week is over; older weeks enqueue nothing.

**When it fails** nobody gets a report until it has run. Read the task's log, correct what it names, and clear the
task in the same week.
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
