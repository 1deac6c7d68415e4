"""Lead scores: what a lead is worth today."""

from __future__ import annotations

import psycopg

from county.pipeline import MERGE_LOCK
from leads.sql import statement


def score_leads(connection: psycopg.Connection) -> int:
    """Set today's score of every lead that is ``new`` or ``contacted``; return how many scores changed.

    Freshness is relative to the day of the call, whatever date the run is for: a backfill must not bring old scores
    back. Waits for an ingestion that is making or closing leads.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (MERGE_LOCK,))
        return connection.execute(statement("county/score_leads")).rowcount
