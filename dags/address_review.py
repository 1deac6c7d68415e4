"""# Address review: records whose addresses operators have reviewed become leads and alerts

Runs only when somebody starts it, for example with the button on the page of unmatched records. Matches the waiting
records of the last 90 days again, without new files: records whose address an operator has accepted get their
property, records of a decision that an operator has undone lose it. Then brings properties, leads and alert rows up to
date. The feeds' own runs do the same; this DAG only does it now. The parameter `feed` limits the run to one feed.

**A run is for one business date**: the last business day, or the parameter `business_date`. New leads get this date.
The run announces only the leads that it creates itself. No subscriber is alerted twice.

**When it fails** nothing is half-done: each feed is one transaction. The reason and the remedy are in
`data_ingestion_logs.error_message` (type `address_review`), in the failed task's log and in `failed_jobs`. Correct the
cause, then clear the failed task, or start a new run. Until then the records wait for the next run of their feed, which
needs nothing from this DAG.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from airflow.sdk import Param, chain, get_current_context, task
from assets import DELIVERIES, LEADS, table
from ingestion_dag import MERGE_POOL, PARAMS, close_run, feed_dag, notify_parameter, open_run, run_of, step

from county.feeds import ADDRESS_REVIEW, DAILY, MONTHLY, WEEKLY
from county.settings import settings
from leads.clock import local_day, now

if TYPE_CHECKING:
    from county.runs import RunKey
    from county.slices import Counts

FEED = Param(
    None,
    type=["null", "string"],
    enum=[None, DAILY.name, WEEKLY.name, MONTHLY.name],
    title="Feed",
    description="Feed whose waiting records are matched again. If empty: all feeds.",
)


@task(pool=MERGE_POOL, outlets=[LEADS, DELIVERIES, *(table(name) for name in ADDRESS_REVIEW.merges)])
@step
def retry_waiting(run: RunKey) -> dict[str, dict[str, Counts]]:
    """Match the waiting records again, feed by feed; return the counts of each step by feed."""
    from county.address_review import feeds_to_review, retry_waiting

    params = get_current_context()["params"]
    with run_of(run) as (connection, current):
        return {
            name: retry_waiting(
                connection,
                current,
                name,
                today=local_day(now()),
                max_age_days=settings.alert_max_age_days,
                notify=notify_parameter(),
            )
            for name in feeds_to_review(params["feed"])
        }


with feed_dag(
    ADDRESS_REVIEW,
    dagrun_timeout=timedelta(hours=2),
    execution_timeout=timedelta(minutes=30),
    params={"feed": FEED} | {name: PARAMS[name] for name in ("business_date", "notify")},
    doc_md=__doc__,
) as dag:
    run = open_run(ADDRESS_REVIEW.name)
    chain(run, retry_waiting(run), close_run(run))
