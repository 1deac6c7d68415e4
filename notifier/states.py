"""The states of a delivery, in the groups that code asks about, and the only changes there are."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
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


#: The provider has it: the tokens are spent.
TAKEN = frozenset({State.ACCEPTED, State.SENT, State.DELIVERED, State.UNDELIVERED})
#: It was never sent, or nobody will find out: the tokens go back.
GIVEN_BACK = frozenset(
    {State.FAILED, State.DEAD, State.PARKED, State.SKIPPED, State.SUPPRESSED, State.EXPIRED, State.CANCELLED}
)
#: A human should see it among the dead letters.
DEAD_LETTERS = frozenset({State.FAILED, State.DEAD, State.PARKED})

_NEVER_SENT = {State.FAILED, State.SKIPPED, State.SUPPRESSED, State.EXPIRED, State.CANCELLED}
ALLOWED: dict[State, frozenset[State]] = {
    State.QUEUED: frozenset({State.SENDING, State.DEAD, *_NEVER_SENT}),
    State.SENDING: frozenset({State.QUEUED, State.ACCEPTED, State.UNKNOWN, State.DEAD, *_NEVER_SENT}),
    State.UNKNOWN: frozenset({State.QUEUED, State.PARKED, *TAKEN}),
    State.ACCEPTED: frozenset({State.SENT, State.DELIVERED, State.UNDELIVERED}),
    State.SENT: frozenset({State.DELIVERED, State.UNDELIVERED}),
    State.DELIVERED: frozenset({State.UNDELIVERED}),
    State.UNDELIVERED: frozenset({State.DELIVERED}),
    State.PARKED: frozenset(TAKEN),
    State.DEAD: frozenset({State.QUEUED}),
    State.FAILED: frozenset({State.QUEUED}),
    State.SKIPPED: frozenset(),
    State.SUPPRESSED: frozenset(),
    State.EXPIRED: frozenset(),
    State.CANCELLED: frozenset(),
}


def sources(target: State) -> list[str]:
    """The states from which a delivery may go to ``target``."""
    return [state.value for state, targets in ALLOWED.items() if target in targets]
