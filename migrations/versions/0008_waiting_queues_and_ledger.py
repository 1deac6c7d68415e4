"""Let a queue or a kind wait as long as its provider says, and the ledger follow when a subscriber's row is locked."""

from __future__ import annotations

from migrations.steps import run_sql

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    run_sql("0008/waiting_queues_and_ledger")
