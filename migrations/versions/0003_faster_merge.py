"""Check folios faster, and replace functions by ones that a query can inline or that use fewer regular expressions."""

from __future__ import annotations

from migrations.steps import run_sql

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    run_sql("0003/cheaper_checks", "0003/070_names_and_scores", "0003/090_property_facts")
