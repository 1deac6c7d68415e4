"""What providers tell afterwards: kept once, then applied to the deliveries, in whatever order it came.

A callback is stored before it is answered and applied after; what a web process stored and did not live to apply is
applied by the sweeper. What an event means is data (``event_meanings``).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import DictRow

from leads import settings
from notifier.core.db import rows, statement, transaction
from notifier.core.states import ACCEPTED_STATES, State, changes

log = logging.getLogger(__name__)

#: A text or e-mail that turns out undelivered within this time is paid back.
REFUND_WITHIN = timedelta(hours=72)
#: Deliveries looked at in one transaction.
BATCH = 2_000


@dataclass(frozen=True)
class Event:
    """One thing a provider said.

    ``key`` is unique for the provider and the same when it says it again. ``delivery_id`` is what we gave it to carry;
    without one, ``provider_id`` (a sid) tells. ``details`` may hold ``code`` (the provider's error) and ``seconds``
    (length of an ended call), and no personal data.
    """

    event: str
    key: str
    delivery_id: int | None = None
    provider_id: str | None = None
    occurred_at: datetime | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """A delivery whose state an event has changed."""

    delivery_id: int
    channel: str
    kind: str
    was: State
    state: State


def store(provider: str, events: Sequence[Event]) -> list[int]:
    """Keeps the events of ``provider`` (``sendgrid`` or ``twilio``); returns the ids of those not known before."""
    if not events:
        return []
    with transaction() as cursor:
        kept = rows(
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
    return [row["id"] for row in kept]


def apply() -> list[Change]:
    """Applies all stored events that have not been; returns what changed.

    The provider's word is proof: it moves a delivery to the truth from whatever we believed, tokens included. An open
    hold is spent (a call's by its seconds), one that had been given back stays so, and what ends undelivered in time
    is paid back once. Bounces, complaints and unsubscribes suppress the address.
    """
    changed: list[Change] = []
    while True:
        with transaction() as cursor:
            some = apply_some(cursor)
        changed += some
        if len(some) < BATCH:
            return changed


def apply_some(cursor: psycopg.Cursor[DictRow]) -> list[Change]:
    """As ``apply``, at most a batch, in the transaction of ``cursor``."""
    sources, targets = changes()
    cursor.execute(statement("deliveries/link_events"))
    moved = rows(cursor, "deliveries/apply_events", limit=BATCH, sources=sources, targets=targets)
    _move_tokens(cursor, moved)
    late = [
        row["id"]
        for row in moved
        if row["was"] not in ACCEPTED_STATES and row["was"] not in (State.SENDING, State.UNKNOWN)
    ]
    if late:
        cursor.execute(statement("deliveries/close_dead_letters"), {"ids": late})
        log.warning("Proof came late for deliveries %s: sent after all, charged to nobody again", late[:20])
    return [Change(r["id"], r["channel"], r["kind"], State(r["was"]), State(r["state"])) for r in moved]


def _move_tokens(cursor: psycopg.Cursor[DictRow], moved: Sequence[DictRow]) -> None:
    messages = [row["id"] for row in moved if row["channel"] != "voice"]
    bounced = [row["id"] for row in moved if row["channel"] != "voice" and row["state"] == State.UNDELIVERED]
    ended = [row for row in moved if row["channel"] == "voice" and row["state"] == State.DELIVERED]
    missed = [row["id"] for row in moved if row["channel"] == "voice" and row["state"] == State.UNDELIVERED]
    if messages:
        cursor.execute("SELECT settle_tokens(%s)", (messages,))
    if bounced:
        within = REFUND_WITHIN * settings.time_scale()
        cursor.execute("SELECT refund_tokens(%s, 'undelivered', %s)", (bounced, within))
    if ended:
        cursor.execute(
            "SELECT settle_tokens(array_agg(id), array_agg(call_tokens(seconds)))"
            " FROM unnest(%s::bigint[], %s::integer[]) AS call (id, seconds)",
            ([row["id"] for row in ended], [row["seconds"] or 0 for row in ended]),
        )
    if missed:
        for why in sorted({row["error_code"] for row in moved if row["id"] in missed}):
            ids = [row["id"] for row in moved if row["id"] in missed and row["error_code"] == why]
            cursor.execute("SELECT release_tokens(%s, %s)", (ids, why))
        cursor.execute(statement("deliveries/enqueue_call_failures"), {"ids": missed})
