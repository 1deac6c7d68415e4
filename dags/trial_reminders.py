"""# Trial reminders: 7, 3 and 1 days before a trial ends

Every day at 9:00 New York. Enqueues one delivery for each trialing subscriber whose trial ends in 7, 3 or 1 New York
days. The e-mail costs nothing; the notifier sends it at once.

**The business date** is the day from which the days are counted. Subscriber, end of the trial and days are the
delivery's key, so a rerun enqueues nothing twice. A past date enqueues nothing: its count of days would be wrong. The
next run sends once what was due on a day without a run, with the days that are left, while the trial lasts.

**When it fails** nobody is reminded today until it has run. Read the task's log, correct what it names, and clear the
task the same day, or leave it: the next run makes good what this one missed.
"""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta

from airflow.sdk import task
from assets import DELIVERIES
from operations_dag import operations_dag, run_day, today

from leads.clock import now


@task(outlets=[DELIVERIES])
def open_trial_reminders() -> dict[str, int]:
    """Enqueue the deliveries; return the counts ``opened`` and ``unpaid``."""
    from county.hooks import leads_connection
    from operations.mailings import scheduled

    with closing(leads_connection()) as connection:
        return scheduled.open_trial_reminders(connection, run_day(), today=today(), now=now())


with operations_dag(
    "trial_reminders",
    description="Enqueues reminders 7, 3 and 1 days before a trial ends",
    schedule="0 9 * * *",
    doc_md=__doc__,
    max_duration=timedelta(minutes=15),
    tags=["mailings"],
    retries=2,
) as dag:
    open_trial_reminders()
