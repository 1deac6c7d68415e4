"""# Parcel roll: the county's parcels become properties

On the 15th of each month at 4:00 New York. Takes the CSV of the parcel roll from the archive
(`{ARCHIVE_URL}/roll/{business date}/`), else from `PARCEL_ROLL_URL`, archived first, and brings address, assessed
value and building of every parcel up to date. Owner and sales of recorded documents stay; the equity of open leads is
computed again. Records without a folio find their property among these parcels.

**A run is for one business date**: its logical date in New York, or the parameter `business_date`. The address shows
the newest roll only, so an earlier date needs its CSV in the archive; a roll older than one that is in is skipped.

**When it fails** nothing is half-done: every step is one transaction. The reason and the remedy are in
`data_ingestion_logs.error_message` (type `property_roll`), in the failed task's log and in `failed_jobs`. Put it right,
then clear the failed task. Malformed lines are in `rejected_records` (feed `roll`). Until it has run, properties keep
last month's values.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict
from datetime import date, timedelta
from typing import Any

from airflow.sdk import get_current_context, task
from ingestion_callbacks import now
from ingestion_dag import PARAMS, close_run, feed_dag, leads_database, merge, open_run, step

from county import feeds, settings
from county.errors import SkipRun

FEED = feeds.PARCEL_ROLL


@task
@step
def fetch_roll(run: dict[str, Any]) -> dict[str, Any]:
    """Archives the roll; returns where it is."""
    from county import parcel_roll, runs
    from county.archive import open_archive
    from leads.business_days import local_day

    with leads_database(run) as connection:
        try:
            parcel_roll.refuse_older(connection, FEED, date.fromisoformat(run["day"]))
        except SkipRun:
            runs.close_run(connection, run["ingestion_id"], "skipped")
            raise
        fetched = parcel_roll.fetch_roll(
            FEED,
            date.fromisoformat(run["day"]),
            open_archive(settings.archive_url()),
            settings.parcel_roll_url(),
            today=local_day(now()),
            refetch=bool(get_current_context()["params"]["refetch"]),
        )
        runs.record_files(connection, FEED, run["ingestion_id"], [fetched])
    return asdict(fetched)


@task
@step
def stage_roll(run: dict[str, Any], file: dict[str, Any]) -> dict[str, Any]:
    """Loads the archived roll into its staging table."""
    from county.archive import open_archive
    from county.parcel_roll import stage_roll

    with (
        leads_database(run) as connection,
        closing(open_archive(settings.archive_url()).open(file["object_name"])) as stream,
    ):
        stage_roll(
            connection,
            FEED,
            stream,
            ingestion_id=run["ingestion_id"],
            day=date.fromisoformat(run["day"]),
            object_name=file["object_name"],
            max_rejected_percent=settings.max_rejected_percent(),
        )
    return run


with feed_dag(
    FEED,
    "property_roll",
    schedule="0 4 15 * *",
    dagrun_timeout=timedelta(hours=6),
    execution_timeout=timedelta(hours=1),
    params={name: PARAMS[name] for name in ("business_date", "refetch")},
    doc_md=__doc__,
) as dag:
    opened = open_run("property_roll")
    close_run(merge(stage_roll(opened, fetch_roll(opened))))
