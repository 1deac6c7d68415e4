"""Let a breaker stay open until a report of delivery, when the reports of failed texts have opened it."""

from __future__ import annotations

from migrations.steps import run_sql

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    run_sql("0009/breakers_that_need_a_report")
