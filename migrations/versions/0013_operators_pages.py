"""Add what operators' pages need: attempts, operators' actions, paused queues and decisions about addresses."""

from __future__ import annotations

from migrations.steps import run_sql

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    run_sql(
        "0013/delivery_attempts",
        "0013/delivery_codes",
        "0013/operator_actions",
        "0013/lane_pauses",
        "0013/address_decisions",
    )
