"""Mark aliases of the reference data, keep street words in a table, record applied files, complete revision 0002."""

from __future__ import annotations

from migrations.steps import run_sql

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    run_sql("0005/reference_data", "0005/complete_revision_0002")
