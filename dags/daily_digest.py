"""# Daily digest: one e-mail a day for each subscriber who wants it

Runs every day at 5:00 (New York). Enqueues one delivery for each active or trialing subscriber who has not turned the
digest off, due at the subscriber's next `digest_time` in their `digest_timezone` (default: 08:00 in New York). The DAG
only writes rows: the notifier composes each e-mail when the e-mail is due, and sends nothing when there is nothing new.

**The business date** is part of the delivery's key, so a rerun enqueues nothing twice. A run for a past date enqueues
nothing: the next digest contains that date's leads.

**When it fails** no subscriber gets today's digest until the DAG has run. Read the task's log, correct the cause, and
clear the task the same day: a digest whose time has passed is sent at once.
"""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta

from airflow.sdk import task
from assets import DELIVERIES
from operations_dag import operations_dag, run_day, today


@task(outlets=[DELIVERIES])
def open_digests() -> dict[str, int]:
    """Enqueue the deliveries; return the counts ``opened`` and ``unpaid``."""
    from county.hooks import leads_connection
    from operations.mailings import scheduled

    with closing(leads_connection()) as connection:
        return scheduled.open_digests(connection, run_day(), today=today())


with operations_dag(
    "daily_digest",
    description="Enqueues one digest for each subscriber who wants it",
    schedule="0 5 * * *",
    doc_md=__doc__,
    max_duration=timedelta(minutes=15),
    tags=["mailings"],
    retries=2,
) as dag:
    open_digests()
