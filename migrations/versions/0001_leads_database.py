"""Create the leads database: every table of the main job, and the data that its rules rest on."""

from __future__ import annotations

from migrations.steps import load_csv, run_sql

revision = "0001"
down_revision = None


def upgrade() -> None:
    run_sql(
        "0001/010_users",
        "0001/020_properties",
        "0001/030_ingestion",
        "0001/035_lookups",
        "0001/040_deliveries",
        "0001/050_court_records",
        "0001/055_parcel_roll",
        "0001/060_ledger",
        "0001/070_names_and_scores",
        "0001/075_street_word",
        "0001/080_addresses",
        "0001/090_property_facts",
        "0001/095_api_records",
        "0001/098_court_leads",
        "0001/100_notifier",
        "0001/105_replay",
        "0001/110_messages",
        "0001/110_oncall",
        "0001/120_upkeep",
    )
    load_csv("0001", "document_types", "municipalities", "street_aliases", "land_uses")
    load_csv("0001", "delivery_kinds", "event_meanings")
