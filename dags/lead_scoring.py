"""# Lead scoring: today's score of each lead

Every night at 2:00 New York. Recalculates `leads.lead_score` of every lead that is `new` or `contacted` with the SQL
function `calculate_lead_score`: base by type, less with age, more for equity and engagement. An unchanged score is
not rewritten; `last_score_update` is when it last changed.

**The business date does not matter**: a lead's age counts from the day the run really happens, so a backfill or a
rerun changes nothing. It waits in the pool `ingestion_merge` and never runs beside a merge.

**When it fails** scores stay those of yesterday; nothing is half-done, and there is no automatic retry. Read the
task's log, correct what it names, and clear the task; or wait: the next night's run recalculates everything.
"""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta

from airflow.sdk import task
from assets import LEADS
from operations_dag import operations_dag


@task(outlets=[LEADS])
def score_leads() -> int:
    """Bring the scores up to date; return how many changed."""
    from county import lead_scoring
    from county.hooks import leads_connection

    with closing(leads_connection()) as connection:
        return lead_scoring.score_leads(connection)


with operations_dag(
    "lead_scoring",
    description="Recalculates the score of each lead from its age",
    schedule="0 2 * * *",
    doc_md=__doc__,
    max_duration=timedelta(minutes=30),
    tags=["leads"],
    pool="ingestion_merge",
) as dag:
    score_leads()
