"""What has changed since the first schema. A function has one file: it is changed there, and that file runs again."""

from __future__ import annotations

from alembic import op

from migrations import run_sql

revision = "0002"
down_revision = "0001"

FUNCTIONS = (
    "065_opening",
    "070_names_and_scores",
    "080_addresses",
    "090_property_facts",
    "095_api_records",
    "098_court_leads",
    "110_messages",
)
"""Files of nothing but CREATE OR REPLACE, each of which has changed."""


def upgrade() -> None:
    run_sql(op, "200_after_the_first", *FUNCTIONS)
