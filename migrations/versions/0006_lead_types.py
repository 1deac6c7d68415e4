"""Declare lead types in a table instead of a constraint."""

from __future__ import annotations

from migrations.steps import run_sql

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    run_sql("0006/lead_types")
