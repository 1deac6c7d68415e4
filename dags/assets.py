"""Assets for the tables that these DAGs change. Other teams can schedule their DAGs on these assets.

An asset event means only that the table may have changed. Airflow also sends events for backfills, may combine several
events into one, and may deliver events out of order, so a consumer must find its work in the table itself. No DAG here
is scheduled on an asset.
"""

from __future__ import annotations

from airflow.sdk import Asset


def table(name: str) -> Asset:
    """Return the asset for a table of the leads database."""
    # The asset has no URI, because Airflow would load every provider to check a URI's scheme, which takes half a
    # second for each DAG file.
    return Asset(name=name, group="leads_db")


LEADS = table("leads")
DELIVERIES = table("deliveries")
