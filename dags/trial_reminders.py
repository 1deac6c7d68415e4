"""# Trial reminders: 7, 3 and 1 days before a trial ends

Runs every day at 9:00 (New York). Enqueues one delivery for each trialing subscriber whose trial ends in 7, 3 or 1
days, counted in New York dates. The e-mail costs no tokens. The notifier sends the e-mail at once.

**The business date** decides who is reminded: the days until a trial ends are counted from that date. The delivery's
key consists of the subscriber, the end of the trial and the number of days, so a rerun does not enqueue the same
reminder again. A run for a past date enqueues nothing, because its e-mails would state a wrong number of days. If a day
had no run, the next run enqueues the missed reminder with the number of days left, unless the trial has ended.

**When it fails** no subscriber is reminded today until the DAG has run successfully. Read the task's log, correct the
cause, and clear the task the same day. You can also wait, because the next run sends the missed reminders.
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
