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
ACCEPTED_STATES = frozenset({State.ACCEPTED, State.SENT, State.DELIVERED, State.UNDELIVERED})
#: It was never sent, or nobody will find out: the tokens go back.
RELEASED_STATES = frozenset(
    {State.FAILED, State.DEAD, State.PARKED, State.SKIPPED, State.SUPPRESSED, State.EXPIRED, State.CANCELLED}
)
#: A human should see it among the dead letters.
DEAD_LETTER_STATES = frozenset({State.FAILED, State.DEAD, State.PARKED, State.EXPIRED})

_NEVER_SENT = {State.FAILED, State.SKIPPED, State.SUPPRESSED, State.EXPIRED, State.CANCELLED}
#: Whatever we believed, the provider's own word that it has the message (proof) leads to the truth: so every state but
#: the later ones of that truth may go to TAKEN. ``dead``, ``failed`` and ``parked`` go back to ``queued`` by a replay.
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


def sources(target: State) -> list[str]:
    """The states from which a delivery may go to ``target``."""
    return [state.value for state, targets in ALLOWED.items() if target in targets]


def changes() -> tuple[list[str], list[str]]:
    """All allowed changes as two columns, from and to, for SQL."""
    pairs = [(state.value, target.value) for state, targets in ALLOWED.items() for target in sorted(targets)]
    return [source for source, _ in pairs], [target for _, target in pairs]
