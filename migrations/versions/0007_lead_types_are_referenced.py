"""Let the foreign key of a lead's type take the place of the constraint that listed the types."""

from __future__ import annotations

from migrations.steps import run_sql

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    run_sql("0007/lead_types_are_referenced")
