"""Events from providers. Each event is stored once and then applied to its delivery. Events may arrive in any order.

The web process stores a callback's event before it responds to the provider, and applies the event after the response.
If the web process ends before it applies the event, the leader applies it. The table ``event_meanings`` says what each
event means.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import DictRow

from leads.logs import get_logger
from notifier.core.db import records, rows, statement, transaction
from notifier.core.settings import settings
from notifier.core.states import ACCEPTED_STATES, State, transitions

log = get_logger(__name__)

#: If a provider reports within this time that an SMS or e-mail was not delivered, the message's tokens are refunded.
REFUND_WITHIN = timedelta(hours=72)
#: The maximum number of deliveries that one transaction changes.
BATCH = 2_000
#: Events that arrived within this time are linked to their deliveries whenever events are applied. Longer than any
#: transaction, so that an event and its delivery find each other if they are stored at the same moment.
RECENT = timedelta(minutes=2)
#: Events that are older than this are no longer linked to a delivery.
OLDEST = timedelta(days=3)


@dataclass(frozen=True)
class Event:
    """One event that a provider reported.

    ``key`` identifies the event, and stays the same if the provider repeats the event. ``delivery_id`` is the id that
    we gave the provider in the request. If ``delivery_id`` is None, ``provider_id`` (a SID) identifies the delivery.
    ``details`` may contain ``code`` (the provider's error) and ``seconds`` (the duration of an ended call), but no
    personal data.
    """

    event: str
    key: str
    delivery_id: int | None = None
    provider_id: str | None = None
    occurred_at: datetime | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """A change to a delivery's state, caused by an event. ``seconds`` is the duration of a call that ended."""

    delivery_id: int
    channel: str
    kind: str
    previous_state: State
    state: State
    seconds: int | None
    error_code: str | None

    def __post_init__(self) -> None:
        object.__setattr__(self, "previous_state", State(self.previous_state))
        object.__setattr__(self, "state", State(self.state))


def store(provider: str, events: Sequence[Event]) -> list[int]:
    """Store events from ``provider`` (``sendgrid``, ``twilio`` or ``notifier``). Returns the ids of the new events."""
    if not events:
        return []
    with transaction() as cursor:
        stored = rows(
            cursor,
            "deliveries/store_events",
            provider=provider,
            deliveries=[event.delivery_id for event in events],
            events=[event.event for event in events],
            keys=[event.key for event in events],
            provider_ids=[event.provider_id for event in events],
            moments=[event.occurred_at for event in events],
            details=[json.dumps(dict(event.details)) for event in events],
        )
    return [row["id"] for row in stored]


def apply() -> list[Change]:
    """Apply all stored events that have not been applied yet. Returns the changes.

    A provider's report is proof and overrides the stored state. The report settles an open token hold. The cost of a
    call depends on its duration. A released hold stays released. If a provider reports within REFUND_WITHIN that a
    delivery was not delivered, its tokens are refunded once. Bounces, complaints and unsubscribes suppress the address.
    """
    changes: list[Change] = []
    while True:
        with transaction() as cursor:
            batch = apply_some(cursor)
        changes += batch
        if len(batch) < BATCH:
            return changes


def apply_some(cursor: psycopg.Cursor[DictRow]) -> list[Change]:
    """Apply the events of at most BATCH deliveries, in the cursor's transaction. Returns the changes."""
    sources, targets = transitions()
    link(cursor, RECENT)
    changes = records(cursor, Change, "deliveries/apply_events", limit=BATCH, sources=sources, targets=targets)
    _move_tokens(cursor, changes)
    late = [
        change.delivery_id
        for change in changes
        if change.previous_state not in ACCEPTED_STATES and change.previous_state not in (State.SENDING, State.UNKNOWN)
    ]
    if late:
        cursor.execute(statement("deliveries/close_dead_letters"), {"ids": late})
        log.warning("late_proof", delivery_ids=late[:20], consequence="subscribers are not charged again")
    return changes


def link(cursor: psycopg.Cursor[Any], within: timedelta) -> None:
    """Link events without a delivery that arrived ``within`` this time to the delivery with their provider id."""
    cursor.execute(statement("deliveries/link_events"), {"within": within})


def _move_tokens(cursor: psycopg.Cursor[DictRow], changes: Sequence[Change]) -> None:
    calls = [change for change in changes if change.channel == "voice"]
    others = [change for change in changes if change.channel != "voice"]
    if others:
        cursor.execute("SELECT settle_tokens(%s)", ([change.delivery_id for change in others],))
    if undelivered := [change.delivery_id for change in others if change.state is State.UNDELIVERED]:
        within = REFUND_WITHIN * settings.notifier_time_scale
        cursor.execute("SELECT refund_tokens(%s, 'undelivered', %s)", (undelivered, within))
    if ended := [change for change in calls if change.state is State.DELIVERED]:
        cursor.execute(
            "SELECT settle_tokens(array_agg(id), array_agg(CASE WHEN is_free THEN 0 ELSE call_tokens(seconds) END))"
            " FROM unnest(%s::bigint[], %s::integer[], %s::boolean[]) AS call (id, seconds, is_free)",
            (
                [change.delivery_id for change in ended],
                [change.seconds or 0 for change in ended],
                [_is_free(change) for change in ended],
            ),
        )
    if missed := [change for change in calls if change.state is State.UNDELIVERED]:
        _release_missed(cursor, missed)


def _is_free(call: Change) -> bool:
    """Return whether an inbound call costs nothing because it was shorter than ``INBOUND_FREE_SECONDS``."""
    is_short = call.seconds is not None and call.seconds < settings.inbound_free_seconds
    return call.kind == "inbound_call" and is_short


def _release_missed(cursor: psycopg.Cursor[DictRow], missed: Sequence[Change]) -> None:
    """Release the tokens of calls that never connected, and notify the subscribers who requested the calls."""
    for reason in sorted({change.error_code or "" for change in missed}):
        ids = [change.delivery_id for change in missed if (change.error_code or "") == reason]
        cursor.execute("SELECT release_tokens(%s, %s)", (ids, reason))
    ids = [change.delivery_id for change in missed]
    cursor.execute(statement("deliveries/enqueue_call_failures"), {"ids": ids})
