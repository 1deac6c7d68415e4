"""Mark the deliveries that are due, and keep counts, so that deliveries that wait or are finished cost nothing."""

from __future__ import annotations

from migrations.steps import run_sql, run_sql_outside_transaction

revision = "0014"
down_revision = "0013"

INDEXES = (
    "deliveries_to_claim",
    "deliveries_waiting",
    "deliveries_to_expire",
    "deliveries_to_resend",
    "deliveries_in_flight",
    "deliveries_unconfirmed_sms",
    "delivery_events_to_apply",
    "delivery_events_unlinked",
    "delivery_events_unlinked_ids",
    "failed_jobs_time",
)


def upgrade() -> None:
    run_sql("0014/is_due", "0014/metric_changes")
    for index in INDEXES:
        run_sql_outside_transaction(f"0014/indexes_drop_{index}", f"0014/indexes_{index}")
    # Indexes above serve the statements that used these. During the upgrade, workers of the previous release claim
    # through the index deliveries_states, which is slower while many deliveries wait.
    replaced = ("deliveries_due", "deliveries_open", "delivery_events_new", "failed_jobs_open")
    run_sql_outside_transaction(*(f"0014/indexes_drop_{index}" for index in replaced))
