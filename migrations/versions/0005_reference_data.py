"""Prepare for reference data and repeatable files: mark aliases, keep street words in a table, complete revision 0002."""

from __future__ import annotations

from alembic import op

from migrations.steps import run_sql

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    run_sql(op, "0005/reference_data", "0005/complete_revision_0002")
