"""Derive properties in batches by indexes; keep a mortgage whose amount is unknown."""

from __future__ import annotations

from migrations.steps import run_sql

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    run_sql("0004/080_addresses", "0004/090_property_facts")
