"""The leads database as the main job needs it: every table of the contract."""

from __future__ import annotations

from alembic import op

from migrations import load_data, make_lookup, run_sql

revision = "0001"
down_revision = None


def upgrade() -> None:
    run_sql(
        op,
        "010_users",
        "020_properties",
        "030_ingestion",
        "035_lookups",
        "040_deliveries",
        "050_court_records",
        "055_parcel_roll",
        "060_ledger",
        "065_opening",
        "070_names_and_scores",
    )
    make_lookup(op, "street_word", "street_words")
    run_sql(op, "080_addresses", "090_property_facts", "095_api_records", "098_court_leads")
    run_sql(op, "100_notifier", "105_replay", "110_messages", "110_oncall", "120_upkeep")
    load_data(op, "document_types", "municipalities", "street_aliases", "land_uses", "delivery_kinds", "event_meanings")
