"""# Daily digest: one e-mail a day for each subscriber who wants it

Runs every day at 5:00 (New York). Enqueues one delivery for each active or trialing subscriber who has not turned the
digest off. The delivery is due at the subscriber's next `digest_time` in their `digest_timezone` (default: 08:00 in New
York). The DAG only writes rows. The notifier composes each e-mail when it is due, and sends no e-mail if there is
nothing new to report.

**The business date** is part of the delivery's key, so a rerun does not enqueue the same digest again. A run for a past
date enqueues nothing, because the next digest contains that date's leads.

**When it fails** no subscriber gets today's digest until the DAG has run successfully. Read the task's log, correct the
cause, and clear the task the same day: a digest that is already due is sent at once.
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
