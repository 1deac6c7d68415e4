"""The state machine of a delivery: opened with its tokens, claimed, sent, finished — each a conditional statement.

Whoever sends holds a claim; a claim is committed before the request leaves and only its holder may end it. Tokens move
in the transaction that moves the state.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import DictRow

from leads import settings
from leads.alert import alert
from notifier.errors import ProviderError, ProviderWide, Throttled, UnknownRecipient
from notifier.lanes import Lane
from notifier.states import DEAD_LETTERS, GIVEN_BACK, TAKEN, State
from notifier.store import rows, statement, transaction

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Opened:
    """What ``.send()`` returns. ``is_new`` is False when the delivery was there before (same dedupe key)."""

    delivery_id: int
    state: State
    is_new: bool


@dataclass(frozen=True)
class Claim:
    """Deliveries of one kind that this process, and no other, may send now."""

    key: UUID
    kind: str
    ids: tuple[int, ...]


@dataclass(frozen=True)
class Sent:
    """What is kept of a message that left: for readers of the logs, until the retention time is over."""

    delivery_id: int
    recipient: str
    sender: str = ""
    body: str = ""


def open_for_leads(kind: str, pairs: Sequence[tuple[int, int]], *, delay: timedelta = timedelta()) -> list[Opened]:
    """Opens a delivery of ``kind`` for each (subscriber id, lead id), with their token holds, all or none.

    Raises UnknownRecipient when a subscriber or lead does not exist. Returns one Opened a pair, in their order.
    """
    subscribers = [subscriber for subscriber, _ in pairs]
    leads = [lead for _, lead in pairs]
    try:
        with transaction() as cursor:
            found = rows(cursor, "open_for_leads", kind=kind, subscribers=subscribers, leads=leads, delay=delay)
    except psycopg.errors.ForeignKeyViolation as error:
        raise UnknownRecipient(f"{kind}: {error.diag.message_detail}") from None
    return [Opened(row["delivery_id"], State(row["state"]), row["opened"]) for row in found]


def claim(lane: Lane, kinds: Sequence[str]) -> Claim | None:
    """Claims what is due of one of ``kinds``, at most the lane's batch; None when nothing is."""
    key = uuid4()
    with transaction() as cursor:
        taken = rows(
            cursor,
            "claim",
            queue=lane.queue_name,
            kinds=list(kinds),
            most=lane.batch,
            claim=key,
            scale=settings.time_scale(),
        )
    return Claim(key, taken[0]["kind"], tuple(row["id"] for row in taken)) if taken else None


def accept(claimed: Claim, lane: Lane, messages: Sequence[Sent], provider_id: str) -> None:
    """The provider has taken ``messages``: their tokens are spent, and the lane's breaker, if any, closes."""
    with transaction() as cursor:
        _finish(cursor, claimed, State.ACCEPTED, messages, provider_id=provider_id)
        cursor.execute("DELETE FROM lane_breakers WHERE queue_name = %s", (lane.queue_name,))


def end(claimed: Claim, ids: Iterable[int], state: State, code: str, message: str | None = None) -> None:
    """Ends deliveries that are not sent: ``state`` says how, ``code`` why. Their tokens go back."""
    with transaction() as cursor:
        _finish(cursor, claimed, state, [Sent(i, "") for i in ids], code=code, message=message)


def unclear(claimed: Claim, messages: Sequence[Sent], error: ProviderError) -> None:
    """Nobody knows whether ``messages`` were sent: they keep their holds until somebody does."""
    with transaction() as cursor:
        _finish(cursor, claimed, State.UNKNOWN, messages, code=error.code, message=str(error))


def put_back(claimed: Claim, ids: Iterable[int], lane: Lane, error: Exception) -> None:
    """Nothing was sent: the deliveries are due again when their kind's retry table, or the provider, says.

    A provider that refuses everybody opens the lane's breaker and is told to on-call.
    """
    scale = settings.time_scale()
    free = isinstance(error, Throttled | ProviderWide)
    wait = error.retry_after if isinstance(error, Throttled) else 60 * scale if free else 0
    code = (error.code if isinstance(error, ProviderError) else None) or type(error).__name__
    with transaction() as cursor:
        back = rows(
            cursor,
            "put_back",
            ids=list(ids),
            claim=claimed.key,
            costs_a_try=not free,
            wait=wait,
            scale=scale,
            code=code,
            message=str(error)[:500],
        )
        _bury(cursor, [row["id"] for row in back if row["state"] == State.DEAD], "retries used up")
        if isinstance(error, ProviderWide):
            cursor.execute(
                "INSERT INTO lane_breakers (queue_name, next_trial_at, code, reason)"
                " VALUES (%s, now() + make_interval(secs => %s), %s, %s) ON CONFLICT (queue_name) DO NOTHING",
                (lane.queue_name, wait, code, str(error)[:500]),
            )
    if isinstance(error, ProviderWide):
        alert(
            "critical",
            f"{lane.queue_name}: the provider refuses everything",
            f"{error}. Nothing is lost: deliveries wait, one is tried each minute.",
            "Check the provider's key, sender and account; sending goes on by itself when a trial succeeds.",
        )


def _finish(
    cursor: psycopg.Cursor[DictRow],
    claimed: Claim,
    state: State,
    messages: Sequence[Sent],
    *,
    provider_id: str | None = None,
    code: str | None = None,
    message: str | None = None,
) -> None:
    done = rows(
        cursor,
        "finish",
        state=state.value,
        claim=claimed.key,
        provider_id=provider_id,
        code=code,
        message=message,
        ids=[m.delivery_id for m in messages],
        recipients=[m.recipient or None for m in messages],
        senders=[m.sender or None for m in messages],
        bodies=[m.body or None for m in messages],
    )
    ids = [row["id"] for row in done]
    if len(ids) < len(messages):
        log.warning("Claim lost: %s of %s deliveries had been taken back", len(messages) - len(ids), len(messages))
    settle_or_release(cursor, ids, state, code)


def settle_or_release(cursor: psycopg.Cursor[DictRow], ids: Sequence[int], state: State, why: str | None) -> None:
    """Moves the tokens as ``state`` says, and leaves a dead letter where a human should look."""
    if state in TAKEN:
        cursor.execute("SELECT settle_tokens(%s)", (list(ids),))
    elif state in DEAD_LETTERS:
        _bury(cursor, ids, why or state.value)
    elif state in GIVEN_BACK:
        cursor.execute("SELECT release_tokens(%s, %s)", (list(ids), why))


def _bury(cursor: psycopg.Cursor[DictRow], ids: Sequence[int], why: str) -> None:
    if ids:
        cursor.execute("SELECT release_tokens(%s, %s)", (list(ids), why))
        cursor.execute(statement("dead_letters"), {"ids": list(ids)})
