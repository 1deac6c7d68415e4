"""Count each subscriber's units of the county's API, and find the verification codes of the last hour."""

from __future__ import annotations

from migrations.steps import run_sql, run_sql_outside_transaction

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    run_sql("0012/subscriber_unit_budget")
    run_sql_outside_transaction("0012/drop_recent_codes", "0012/recent_codes")
