"""Operators' actions on dead letters: list, show, replay, dismiss."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from notifier.core.db import records, statement, transaction
from notifier.core.settings import settings
from notifier.deliveries.commits import Cursor

REPLAYED = "replayed"
COMMAND_LINE = "command line"
NO_REASON = "no reason given"


@dataclass(frozen=True)
class DeadLetter:
    """A run, delivery or message that failed for good. ``retry_count`` counts the attempts after the first attempt."""

    id: int
    state: str
    queue_name: str
    job_name: str | None
    job_data: Any
    error_message: str | None
    retry_count: int
    failed_at: datetime


@dataclass(frozen=True)
class DeadLetterDetails(DeadLetter):
    """A dead letter with its delivery, the delivery's ledger entries, and the provider's events."""

    traceback: str | None
    delivery_id: int | None
    delivery_state: str | None
    attempts: int | None
    replays: int | None
    created_at: datetime | None
    due_at: datetime | None
    error_code: str | None
    ledger: list[dict[str, Any]] | None
    events: list[dict[str, Any]] | None


def find(*, state: str | None = "open", queue: str | None = None, limit: int = 50) -> list[DeadLetter]:
    """Return the latest dead letters with this ``state`` and ``queue`` (None for any)."""
    with transaction() as cursor:
        return records(cursor, DeadLetter, "deliveries/list_dead_letters", state=state, queue=queue, limit=limit)


def details(job_id: int) -> DeadLetterDetails | None:
    """Return a dead letter with all of its details, or None if the dead letter does not exist."""
    with transaction() as cursor:
        found = records(cursor, DeadLetterDetails, "deliveries/show_dead_letter", id=job_id)
    return found[0] if found else None


def replay(job_ids: Sequence[int], *, actor: str = COMMAND_LINE, reason: str = NO_REASON) -> dict[int, str]:
    """Requeue deliveries that became dead letters, with new token holds. The leader wakes their queues.

    For each id, returns ``replayed`` or the reason why the replay was refused. Records the operator's action.
    """
    with transaction() as cursor:
        cursor.execute("SELECT * FROM replay_dead_letters(%s, %s)", (list(job_ids), settings.notifier_time_scale))
        outcomes = {row["job_id"]: row["outcome"] for row in cursor.fetchall()}
        refusals = Counter(outcome for outcome in outcomes.values() if outcome != REPLAYED)
        _record(cursor, "retry", list(outcomes), len(outcomes) - refusals.total(), refusals, actor, reason)
    return outcomes


def dismiss(job_ids: Sequence[int], *, actor: str = COMMAND_LINE, reason: str = NO_REASON) -> int:
    """Close open dead letters without another attempt. Returns how many dead letters were open.

    Records the operator's action.
    """
    with transaction() as cursor:
        cursor.execute("SELECT * FROM dismiss_dead_letters(%s)", (list(job_ids),))
        refusals = Counter(row["refusal"] for row in cursor.fetchall())
        dismissed = refusals.pop(None, 0)
        _record(cursor, "dismiss", list(job_ids), dismissed, refusals, actor, reason)
    return dismissed


def _record(
    cursor: Cursor, action: str, ids: list[int], changed: int, refusals: Counter[str], actor: str, reason: str
) -> None:
    cursor.execute(
        statement("deliveries/record_operator_action"),
        {
            "actor": actor,
            "action": action,
            "ids": ids,
            "reason": reason,
            "changed": changed,
            "refusals": Jsonb(refusals),
        },
    )
