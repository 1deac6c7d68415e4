"""Lead scores: what a lead is worth today."""

from __future__ import annotations

import psycopg

from county.slices import lock_merges
from leads.sql import statement


def score_leads(connection: psycopg.Connection) -> int:
    """Update the score of every lead that is ``new`` or ``contacted``; return how many scores changed.

    A lead's age is counted up to today, not up to the run's business date, so a backfill does not restore old scores.
    Waits while an ingestion merges records or creates leads.
    """
    with connection.transaction():
        lock_merges(connection)
        return connection.execute(statement("county/score_leads")).rowcount
