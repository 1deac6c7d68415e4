"""# Parcel roll: the county's parcels become properties

Runs on the 15th of each month at 4:00 (New York). Reads the CSV of the parcel roll from the archive
(`{ARCHIVE_URL}/roll/{business date}/`). If the archive has no CSV for the date, the run first archives the CSV from
`PARCEL_ROLL_URL`. The run brings the address, assessed value and building data of every parcel up to date. The run does
not change an owner or a sale that came from a recorded document. The run recalculates the equity of open leads. The
runs of the other feeds match records without a folio to these parcels.

**A run is for one business date**: its logical date in New York, or the parameter `business_date`. `PARCEL_ROLL_URL`
offers only the latest roll, so a run for an earlier date needs that date's CSV in the archive. If a newer roll has
already been loaded, the run is skipped.

**When it fails** nothing is half-done: every step is one transaction. The reason and the remedy are in
`data_ingestion_logs.error_message` (type `property_roll`), in the failed task's log and in `failed_jobs`. Correct the
cause, then clear the failed task. Malformed lines are in `rejected_records` (feed `roll`). Until the run has succeeded,
properties keep last month's values.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import chain, get_current_context, task
from assets import table
from ingestion_dag import PARAMS, close_run, feed_dag, merge, open_run, step, step_of

from county.errors import SkipRun
from county.feeds import PARCEL_ROLL
from county.settings import settings
from leads.clock import local_day, now

if TYPE_CHECKING:
    from county.runs import RunKey


@task
@step
def fetch_roll(run: RunKey) -> dict[str, Any]:
    """Archive the parcel roll; return the archived file."""
    from county import parcel_roll, runs
    from county.archive import open_archive

    with step_of(run, "fetch_roll") as (connection, current):
        try:
            parcel_roll.refuse_older(connection, current.feed, current.day)
        except SkipRun:
            runs.close_run(connection, current.ingestion_id, "skipped")
            raise
        fetched = parcel_roll.fetch_roll(
            current.feed,
            current.day,
            open_archive(settings.archive_url),
            settings.parcel_roll_url,
            today=local_day(now()),
            refetch=bool(get_current_context()["params"]["refetch"]),
        )
        runs.record_file(connection, current, fetched)
    return asdict(fetched)


@task
@step
def stage_roll(run: RunKey, file: dict[str, Any]) -> dict[str, Any]:
    """Load the archived roll into its staging table; return how many lines were read, staged and rejected."""
    from county.archive import open_archive
    from county.parcel_roll import stage_roll

    archive = open_archive(settings.archive_url)
    with step_of(run, "stage_roll") as (connection, current), archive.open(file["object_name"]) as csv:
        staged = stage_roll(
            connection,
            current.feed,
            csv,
            ingestion_id=current.ingestion_id,
            day=current.day,
            object_name=file["object_name"],
            max_rejected_percent=settings.max_rejected_percent,
        )
    return asdict(staged)


with feed_dag(
    PARCEL_ROLL,
    dagrun_timeout=timedelta(hours=6),
    execution_timeout=timedelta(hours=1),
    params={name: PARAMS[name] for name in ("business_date", "refetch")},
    doc_md=__doc__,
) as dag:
    run = open_run(PARCEL_ROLL.name)
    staged = stage_roll(run, fetch_roll(run))
    merged = merge.override(outlets=[table(name) for name in PARCEL_ROLL.merges])(run)
    chain(staged, merged, close_run(run))
