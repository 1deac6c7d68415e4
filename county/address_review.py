"""Match the waiting records of a feed again, without new files, after operators have decided about addresses."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import psycopg

from county import feeds, pipeline
from county.runs import Run
from county.slices import Counts, lock_merges
from county.steps import timed_step

#: The feeds whose records are matched by address.
REVIEWED = (feeds.DAILY, feeds.WEEKLY, feeds.MONTHLY)


def retry_waiting(
    connection: psycopg.Connection,
    run: Run,
    feed_name: str,
    *,
    today: date,
    max_age_days: int,
    notify: bool | None = None,
) -> dict[str, Counts]:
    """Match the waiting records of a feed again, and bring properties, leads and alerts up to date.

    ``run`` is the run of the DAG ``address_review``, which has no files. All steps are one transaction, so a feed is
    either up to date or unchanged. Leads get the feed's name as their source and the run's business date; only leads
    that this call creates are announced (see ``pipeline.write_alerts``). Return the counts of each step.
    """
    current = replace(run, feed=feeds.feed(feed_name))
    counts: dict[str, Counts] = {}
    with connection.transaction():
        lock_merges(connection)
        pipeline.run_statements(connection, "set_pending_aside", day=run.day)
        for step in ("match", "merge", "make_leads"):
            with timed_step(connection, run.ingestion_id, f"{step} {feed_name}"):
                counts[step] = pipeline.run_step(connection, current, step)
                if step == "merge" and "derive" in current.feed.steps:
                    counts[step] |= pipeline.derive_properties(connection, current, connections=1)
        pipeline.run_statements(connection, "put_pending_back")
        with timed_step(connection, run.ingestion_id, f"write_alerts {feed_name}"):
            counts["write_alerts"] = pipeline.write_alerts(
                connection, current, today=today, max_age_days=max_age_days, notify=notify, only_new=True
            )
    return counts


def feeds_to_review(name: str | None) -> list[str]:
    """Return the names of the feeds to review: ``name``, or all feeds that match records by address."""
    return [name] if name else [feed.name for feed in REVIEWED]
