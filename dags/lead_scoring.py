"""# Lead scoring: today's score for each lead

Runs every night at 2:00 (New York). Recalculates `leads.lead_score` for every lead that is `new` or `contacted`. The
SQL function `calculate_lead_score` starts from a base score for the lead type; the score falls with the lead's age and
rises with equity and engagement. An unchanged score is not rewritten; `last_score_update` is the time of the last
change.

**The business date does not matter**: every run uses the leads' current ages, so a backfill or a rerun also calculates
today's scores. The task uses the pool `ingestion_merge`, so it never runs at the same time as a merge.

**When it fails** leads keep yesterday's scores, and there is no automatic retry. Read the task's log, correct the
cause, and clear the task. You can also wait, because the next night's run recalculates everything.
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
