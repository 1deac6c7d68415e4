"""The tables that these DAGs change, as assets, so that other teams' DAGs can be scheduled on them.

An event says only that a table may have changed. Airflow also sends events for backfills, merges several into one,
and may deliver them out of order: a consumer must read what it has to do from the table. No DAG here is scheduled on
one.
"""

from __future__ import annotations

from airflow.sdk import Asset


def table(name: str) -> Asset:
    """Return the asset of a table of the leads database."""
    # Without a URI: Airflow would load every provider to check its scheme, half a second for each DAG file.
    return Asset(name=name, group="leads_db")


LEADS = table("leads")
DELIVERIES = table("deliveries")
