"""The retention rules, as data: how long the rows of each table are kept. A new table needs a new rule."""

from __future__ import annotations

from dataclasses import dataclass

#: Deliveries that no longer change: it is too late to send, charge or refund them.
_FINISHED = "d.emptied_at IS NULL AND d.channel IN ('email', 'sms') AND d.state NOT IN ('queued', 'sending', 'unknown')"


@dataclass(frozen=True)
class Rule:
    """A rule that removes the rows of ``table`` (alias ``d``) that are older than ``days`` and meet ``condition``.

    ``age`` names the column with a row's time. ``archived`` is the SQL expression for a row's JSON in the archive; None
    means that the rows are not archived. ``removal`` names the ``.sql`` file that removes archived rows.
    """

    name: str
    table: str
    age: str
    days: int = 90
    condition: str = "true"
    archived: str | None = None
    removal: str = ""


RULES = (
    Rule(
        "deliveries",
        "deliveries",
        "created_at",
        condition=_FINISHED,
        archived="SELECT row_to_json(r) FROM (SELECT d.*, (SELECT coalesce(jsonb_agg(e ORDER BY e.id), '[]')"
        " FROM delivery_events e WHERE e.delivery_id = d.id) AS events) r",
        removal="empty_deliveries",
    ),
    # Events of a delivery are removed with the delivery. These events belong to no delivery, and the notifier stops
    # searching for their delivery after three days. Events of STOP and START are kept, so that nobody can replay them.
    Rule(
        "stray_events",
        "delivery_events",
        "received_at",
        condition="d.delivery_id IS NULL AND d.event NOT IN ('stop', 'start')",
        archived="row_to_json(d)",
        removal="delete_archived",
    ),
    Rule("api_logs", "miami_dade_api_logs", "created_at", archived="row_to_json(d)", removal="delete_archived"),
    Rule(
        "lookups",
        "lookups",
        "created_at",
        condition="d.finished_at IS NOT NULL"
        " AND NOT EXISTS (SELECT FROM token_entries e WHERE e.lookup_id = d.id AND e.entry = 'hold')",
    ),
    Rule("queue_metrics", "queue_metrics", "recorded_at"),
    Rule("dead_letters", "failed_jobs", "failed_at", condition="d.state <> 'open'"),
    Rule("rejected_records", "rejected_records", "created_at"),
    Rule("unmatched_records", "unmatched_records", "created_at"),
    Rule("task_failures", "task_failures", "failed_at"),
)

#: How many days staging partitions of unsuccessful runs are kept. The next ingestion run drops the partitions of
#: successful runs.
STAGING_DAYS = 14
#: How many days Airflow's own metadata is kept.
AIRFLOW_DAYS = 90
