"""Properties are derived in batches, by indexes; a mortgage of unknown amount is known all the same."""

from __future__ import annotations

from alembic import op

from migrations import run_sql

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    run_sql(op, "080_addresses", "090_property_facts")
