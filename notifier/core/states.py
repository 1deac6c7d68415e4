"""The states of a delivery, groups of these states, and the allowed transitions."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """A delivery's state, as the column ``deliveries.state`` stores it."""

    QUEUED = "queued"
    SENDING = "sending"
    ACCEPTED = "accepted"
    SENT = "sent"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    FAILED = "failed"
    UNKNOWN = "unknown"
    PARKED = "parked"
    DEAD = "dead"
    SKIPPED = "skipped"
    SUPPRESSED = "suppressed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


#: In these states, the provider has accepted the delivery, so its tokens are settled.
ACCEPTED_STATES = frozenset({State.ACCEPTED, State.SENT, State.DELIVERED, State.UNDELIVERED})
#: In these states, the delivery was never sent or its outcome stays unknown, so its tokens are released.
RELEASED_STATES = frozenset(
    {State.FAILED, State.DEAD, State.PARKED, State.SKIPPED, State.SUPPRESSED, State.EXPIRED, State.CANCELLED}
)
#: In these states, the delivery has a dead letter, which an operator must handle.
DEAD_LETTER_STATES = frozenset({State.FAILED, State.DEAD, State.PARKED, State.EXPIRED})

_NEVER_SENT = {State.FAILED, State.SKIPPED, State.SUPPRESSED, State.EXPIRED, State.CANCELLED}
#: A provider's report that it accepted a delivery is proof, and overrides the stored state. Every other state may
#: therefore change to an accepted state. A replay changes ``dead``, ``failed`` and ``parked`` to ``queued``.
ALLOWED: dict[State, frozenset[State]] = {
    State.QUEUED: frozenset({State.SENDING, State.DEAD, *_NEVER_SENT, *ACCEPTED_STATES}),
    State.SENDING: frozenset({State.QUEUED, State.UNKNOWN, State.DEAD, *_NEVER_SENT, *ACCEPTED_STATES}),
    State.UNKNOWN: frozenset(
        {State.QUEUED, State.PARKED, State.DEAD, State.FAILED, State.SUPPRESSED, *ACCEPTED_STATES}
    ),
    State.ACCEPTED: frozenset({State.SENT, State.DELIVERED, State.UNDELIVERED}),
    State.SENT: frozenset({State.DELIVERED, State.UNDELIVERED}),
    State.DELIVERED: frozenset({State.UNDELIVERED}),
    State.UNDELIVERED: frozenset({State.DELIVERED}),
    State.PARKED: frozenset({State.QUEUED, *ACCEPTED_STATES}),
    State.DEAD: frozenset({State.QUEUED, *ACCEPTED_STATES}),
    State.FAILED: frozenset({State.QUEUED, *ACCEPTED_STATES}),
    State.SKIPPED: frozenset(ACCEPTED_STATES),
    State.SUPPRESSED: frozenset(ACCEPTED_STATES),
    State.EXPIRED: frozenset(ACCEPTED_STATES),
    State.CANCELLED: frozenset(ACCEPTED_STATES),
}


def transitions() -> tuple[list[str], list[str]]:
    """Return all allowed transitions as two lists for SQL: the old states and the new states."""
    pairs = [(state.value, target.value) for state, targets in ALLOWED.items() for target in sorted(targets)]
    return [source for source, _ in pairs], [target for _, target in pairs]
