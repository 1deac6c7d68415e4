"""The retention rules, as data: how long the rows of each table are kept.

Every table is in RULES, in STAGING or in KEPT; a test compares them with the database and with ``docs/retention.md``.
"""

from __future__ import annotations

from dataclasses import dataclass

#: A condition for deliveries that no longer change because it is too late to send, charge or refund them. An accepted
#: call does not meet the condition until its end is reported, because its tokens are held until then.
_FINISHED = (
    "d.emptied_at IS NULL AND d.state NOT IN ('queued', 'sending', 'unknown')"
    " AND NOT (d.channel = 'voice' AND d.state IN ('accepted', 'sent'))"
)


@dataclass(frozen=True)
class Rule:
    """A rule that removes the rows of ``table`` (alias ``d``) that are older than ``days`` and meet ``condition``.

    ``age`` is the name of the column that contains the start of a row's age. ``archived`` is the SQL expression for a
    row's JSON in the archive; None means that the rows are not archived. ``removal`` names the ``.sql`` file that
    removes a batch; without it, rows are deleted in the order of their ids. ``emptied`` lists columns that
    ``empty_old`` sets to NULL in rows that stay.
    """

    name: str
    table: str
    age: str
    days: int = 90
    condition: str = "true"
    archived: str | None = None
    removal: str = ""
    emptied: tuple[str, ...] = ()


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
    # A delivery's events are removed together with the delivery. This rule removes events that belong to no delivery.
    # After three days, the notifier no longer searches for an event's delivery. Events for STOP and START are kept, so
    # that nobody can replay them.
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
    Rule("delivery_attempts", "delivery_attempts", "ended_at"),
    # Operators' reasons may name people.
    Rule("operator_actions", "operator_actions", "created_at", days=730, condition="d.state <> 'running'"),
    Rule("queue_metrics", "queue_metrics", "recorded_at"),
    Rule("subscriber_units", "subscriber_unit_budget", "day", removal="delete_without_id"),
    Rule("dead_letters", "failed_jobs", "failed_at", condition="d.state <> 'open'"),
    Rule("rejected_records", "rejected_records", "created_at"),
    Rule("unmatched_records", "unmatched_records", "created_at"),
    Rule("task_failures", "task_failures", "failed_at"),
    # An alert is kept as long as the alert itself or its recovery message is still to be sent.
    Rule("alerts", "oncall_alerts", "last_sent_at", condition="d.recovery IS NULL AND d.sending_since IS NULL"),
    # The ingestion runs compare each lead's contact with the tenants' names, because a tenant must never be the contact
    # of a lead. The newest file that lists a case also lists its tenants, so older names are no longer needed. If an
    # old file is ingested again, its tenants' names are stored again, and the next clean-up empties them.
    Rule(
        "tenants",
        "court_records",
        "business_date",
        days=365,
        condition="d.record_type = 'eviction' AND d.party_name IS NOT NULL",
        removal="empty_old",
        emptied=("party_name",),
    ),
    Rule(
        "court_parties",
        "court_records",
        "business_date",
        days=730,
        condition="coalesce(d.party_name, d.counterparty_name) IS NOT NULL",
        removal="empty_old",
        emptied=("party_name", "counterparty_name"),
    ),
)

#: How many days staging partitions of unsuccessful runs are kept. The next ingestion run drops the partitions of
#: successful runs.
STAGING_DAYS = 14
#: How many days Airflow's own metadata is kept.
AIRFLOW_DAYS = 90
#: How many days the archived rows below ``logs/`` in the archive are kept. In a bucket, a lifecycle rule
#: removes these rows.
ARCHIVED_LOG_DAYS = 730
#: The staging tables, to which ``STAGING_DAYS`` applies.
STAGING = frozenset(
    {
        "matched_records",
        "staging_dockets",
        "staging_docktext",
        "staging_evictions",
        "staging_indebtedness",
        "staging_official_records",
        "staging_parcel_roll",
        "staging_parties",
        "staging_probate",
        "staging_verdicts",
    }
)

_PUBLIC = "public record from which owners, sales and leads are derived; a deleted document makes an older one count"
_APP = "belongs to the app, which deletes it with the account"
_REFERENCE = "reference data without personal data"
_STATE = "current state without personal data"
_SCHEMA = "state of the schema without personal data"

#: Maps each table whose rows are kept to the reason for keeping them.
KEPT = {
    "address_decisions": "operators' decisions about addresses, which later runs follow",
    "ai_scripts": _APP,
    "alembic_version": _SCHEMA,
    "api_balance_levels": _STATE,
    "api_documents": _PUBLIC,
    "api_parties": _PUBLIC,
    "api_unit_budget": "counts units for each day; no personal data",
    "call_consents": "proof that a person agreed to calls, or no longer agrees",
    "call_pace": _STATE,
    "cleanup_batches": "proof of what was archived and removed: ids and checksums",
    "court_files": _REFERENCE,
    "data_ingestion_logs": "history of the runs; no personal data",
    "delivery_codes": _REFERENCE,
    "delivery_kinds": _REFERENCE,
    "document_types": _REFERENCE,
    "document_versions": _PUBLIC,
    "event_meanings": _REFERENCE,
    "folios_to_refresh": _STATE,
    "ingestion_files": "says which archived object each run read; no personal data",
    "ingestion_steps": "history of the runs; no personal data",
    "kind_breakers": _STATE,
    "land_uses": _REFERENCE,
    "lane_breakers": _STATE,
    "lane_pauses": _STATE,
    "lane_status": _STATE,
    "lead_types": _REFERENCE,
    "leads": "the result that subscribers pay for; a closed lead can open again and then needs its contact",
    "ledger_backlog": _STATE,
    "low_balance_watch": _STATE,
    "mailing_runs": _STATE,
    "merged_folios": _STATE,
    "metric_changes": _STATE,
    "municipalities": _REFERENCE,
    "party_versions": _PUBLIC,
    "pending_cases": _STATE,
    "pending_folios": _STATE,
    "properties": _PUBLIC,
    "schema_repeatables": _SCHEMA,
    "street_aliases": _REFERENCE,
    "street_words": _REFERENCE,
    "subscriber_lead_criteria": _APP,
    "suppressions": "a person who opted out stays opted out for good, which needs the address",
    "token_entries": "the ledger, from which balances are proved: ids and amounts",
    "users": _APP,
}
