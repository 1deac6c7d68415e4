"""How long what is kept, as data. A new table is a new entry."""

from __future__ import annotations

from dataclasses import dataclass

#: Deliveries that nothing moves any more: whatever comes later is too late to send, to charge or to refund.
_FINISHED = "d.emptied_at IS NULL AND d.channel IN ('email', 'sms') AND d.state NOT IN ('queued', 'sending', 'unknown')"


@dataclass(frozen=True)
class Rule:
    """Rows of ``table`` (alias ``d``) older than ``days`` by ``age`` go, those that ``condition`` holds for.

    ``archived`` is the SQL expression of a row's JSON for the archive; None where nobody will ask for the rows again.
    ``removal`` names the ``.sql`` that removes archived rows.
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
    # The events of a delivery go with it; these name none, and three days after they came nobody looks for one.
    Rule(
        "stray_events",
        "delivery_events",
        "received_at",
        condition="d.delivery_id IS NULL",
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

#: Staging partitions of runs that did not succeed; those of runs that did are dropped by the next run.
STAGING_DAYS = 14
#: Airflow's own metadata.
AIRFLOW_DAYS = 90
