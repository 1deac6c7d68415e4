"""Remember the status of a lead that a run closes, and log the county's API in the words of its readers."""

from __future__ import annotations

from migrations.steps import run_sql

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    run_sql("0010/reopen_leads_and_words_of_the_api_log")
