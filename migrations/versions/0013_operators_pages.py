"""Add what operators' pages need: attempts, operators' actions, paused queues and decisions about addresses."""

from __future__ import annotations

from migrations.steps import run_sql, run_sql_outside_transaction

revision = "0013"
down_revision = "0012"

#: The indexes for the operators' searches. An e-mail that is sent without an error has one entry more than before, in
#: deliveries_states when it is enqueued; deliveries_of_subscriber replaces another index.
INDEXES = (
    "deliveries_states",
    "deliveries_codes",
    "deliveries_errors",
    "deliveries_numbers",
    "deliveries_of_subscriber",
    "leads_phone_number",
    "leads_business_date",
    "rejected_records_lines",
    "failed_jobs_causes",
    "failed_jobs_errors",
    "failed_jobs_subscriber",
)


def upgrade() -> None:
    run_sql(
        "0013/delivery_attempts",
        "0013/delivery_codes",
        "0013/operator_actions",
        "0013/lane_pauses",
        "0013/address_decisions",
        "0013/dead_letter_causes",
        "0013/text_search",
    )
    for index in INDEXES:
        run_sql_outside_transaction(f"0013/indexes_drop_{index}", f"0013/indexes_{index}")
    # Indexes above serve the statements that used these.
    replaced = ("deliveries_parked", "deliveries_subscriber", "rejected_records_day")
    run_sql_outside_transaction(*(f"0013/indexes_drop_{index}" for index in replaced))
