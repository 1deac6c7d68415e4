"""Add mailing_runs and folios_to_refresh; make the index of lookup holds smaller; replace functions."""

from __future__ import annotations

from migrations.steps import run_sql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    run_sql(
        "0002/mailing_runs_and_folios_to_refresh",
        "0002/065_opening",
        "0002/070_names_and_scores",
        "0002/080_addresses",
        "0002/090_property_facts",
        "0002/095_api_records",
        "0002/098_court_leads",
        "0002/110_messages",
    )
