"""Add the list of folios whose documents a merge has committed and whose properties are not derived yet."""

from __future__ import annotations

from migrations.steps import run_sql

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    run_sql("0015/merged_folios")
