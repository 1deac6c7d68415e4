"""The state machine of a delivery once it is open: claimed, sent, finished — each a conditional statement.

Whoever sends holds a claim; a claim is committed before the request leaves and only its holder may end it. Tokens move
in the transaction that moves the state.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import DictRow

from leads import settings
from leads.alert import alert
from notifier.core.db import repeated, rows, statement, transaction
from notifier.core.errors import OutcomeNotRecorded, ProviderError, ProviderUnavailable, Throttled
from notifier.core.queues import EMAIL, VOICE, Queue
from notifier.core.states import ACCEPTED_STATES, DEAD_LETTER_STATES, RELEASED_STATES, State
from notifier.deliveries.call_capacity import free_call_capacity

log = logging.getLogger(__name__)

Cursor = psycopg.Cursor[DictRow]
T = TypeVar("T")

#: Claims of this process whose commit was not answered: they may stand.
_unconfirmed_claims: deque[UUID] = deque()
#: How long (s) the outcome of a request waits for a database that is away, before a sweeper has to find out.
RECORD_TIMEOUT = 30.0


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


def claim(queue: Queue, kinds: Sequence[str]) -> Claim | None:
    """Claims what is due of one of ``kinds``, at most the lane's batch; None when nothing is."""
    key = uuid4()
    try:
        return _claim(key, queue, kinds)
    except psycopg.OperationalError:
        _unconfirmed_claims.append(key)
        raise


def requeue_unconfirmed_claims(cursor: Cursor) -> None:
    """Puts back what this process has claimed without hearing of it, because the database went away."""
    if keys := list(_unconfirmed_claims):
        rows(cursor, "deliveries/requeue_unconfirmed_claims", keys=keys)
        for _ in keys:
            _unconfirmed_claims.popleft()


def _claim(key: UUID, queue: Queue, kinds: Sequence[str]) -> Claim | None:
    with transaction() as cursor:
        if queue is VOICE and not free_call_capacity(cursor, kinds):
            return None
        if queue is EMAIL:
            # One after another, so that of two batches one counts the other's e-mails against the day's cap.
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('notifier:emails'))")
        taken = rows(
            cursor,
            "deliveries/claim",
            queue=queue.queue_name,
            kinds=list(kinds),
            limit=queue.batch,
            claim=key,
            scale=settings.time_scale(),
        )
    return Claim(key, taken[0]["kind"], tuple(row["id"] for row in taken)) if taken else None


def accept(claimed: Claim, queue: Queue, messages: Sequence[Sent], provider_id: str) -> None:
    """The provider has taken ``messages``: their tokens are spent, and the lane's breaker, if any, closes.

    This and the other ends of a claim wait for the database if need be; NotRecorded when it does not come back.
    """

    def record(cursor: Cursor) -> None:
        _finish(cursor, claimed, State.ACCEPTED, messages, provider_id=provider_id)
        _close_breaker(cursor, queue)

    _record(record)


def end(
    claimed: Claim,
    ids: Collection[int],
    state: State,
    code: str,
    message: str | None = None,
    *,
    answered: Queue | None = None,
) -> None:
    """Ends deliveries that are not sent: ``state`` says how, ``code`` why. Their tokens go back.

    ``answered`` is the lane whose provider said so, about this message alone: its breaker closes.
    """

    def record(cursor: Cursor) -> None:
        _finish(cursor, claimed, state, [Sent(i, "") for i in ids], code=code, message=message)
        if answered is not None:
            _close_breaker(cursor, answered)

    _record(record)


def mark_unknown(claimed: Claim, messages: Sequence[Sent], error: ProviderError) -> None:
    """Nobody knows whether ``messages`` were sent: they keep their holds until somebody does."""
    _record(
        lambda cursor: _finish(cursor, claimed, State.UNKNOWN, messages, code=error.code, message=str(error)),
    )


def requeue(claimed: Claim, ids: Collection[int], queue: Queue, error: Exception, *, untried: bool = False) -> None:
    """Nothing was sent: the deliveries are due again when their kind's retry table, or the provider, says.

    A provider that refuses everybody opens the lane's breaker and is told to on-call. ``untried`` says that no request
    was made for those that are still ``sending``; others of ``ids`` have their outcome and keep it.
    """
    scale = settings.time_scale()
    without_penalty = isinstance(error, Throttled | ProviderUnavailable)
    wait = error.retry_after if isinstance(error, Throttled) else 60 * scale if without_penalty else 0
    code = (error.code if isinstance(error, ProviderError) else None) or type(error).__name__

    def record(cursor: Cursor) -> None:
        back = rows(
            cursor,
            "deliveries/requeue",
            ids=list(ids),
            claim=claimed.key,
            from_states=["sending"] if untried else ["sending", "unknown"],
            costs_a_try=not without_penalty,
            wait=wait,
            scale=scale,
            code=code,
            message=str(error)[:500],
        )
        record_dead_letters(cursor, [row["id"] for row in back if row["state"] == State.DEAD], "retries used up")
        if isinstance(error, ProviderUnavailable):
            cursor.execute(
                "INSERT INTO lane_breakers (queue_name, next_trial_at, code, reason)"
                " VALUES (%s, now() + make_interval(secs => %s), %s, %s) ON CONFLICT (queue_name) DO NOTHING",
                (queue.queue_name, wait, code, str(error)[:500]),
            )

    _record(record)
    if isinstance(error, ProviderUnavailable):
        alert(
            "critical",
            f"{queue.queue_name}: the provider refuses everything",
            f"{error}. Nothing is lost: deliveries wait, one is tried each minute.",
            "Check the provider's key, sender and account; sending goes on by itself when a trial succeeds.",
        )


def renew(claimed: Claim, ids: Sequence[int]) -> list[int]:
    """Holds the claim anew before another request for ``ids``; returns those that are still ours."""

    def record(cursor: Cursor) -> list[int]:
        cursor.execute(
            "UPDATE deliveries SET claimed_at = now() WHERE id = ANY (%s) AND claim = %s AND state = 'sending'"
            " RETURNING id",
            (list(ids), claimed.key),
        )
        return [row["id"] for row in cursor.fetchall()]

    return _record(record)


def defer(claimed: Claim, ids: Sequence[int], until: datetime, code: str) -> None:
    """Not now: the deliveries are queued again until ``until``, with the reason ``code``, and no try is used."""
    _record(lambda cursor: rows(cursor, "deliveries/defer", ids=list(ids), claim=claimed.key, until=until, code=code))


def _record(transact: Callable[[Cursor], T]) -> T:
    """Commits the outcome of a claim, however long the database is away (within reason)."""

    def attempt() -> T:
        with transaction() as cursor:
            return transact(cursor)

    try:
        return repeated(attempt, timeout=RECORD_TIMEOUT)
    except psycopg.Error as error:
        raise OutcomeNotRecorded(f"An outcome could not be written ({type(error).__name__})") from None


def _close_breaker(cursor: Cursor, queue: Queue) -> None:
    cursor.execute("DELETE FROM lane_breakers WHERE queue_name = %s", (queue.queue_name,))


def _finish(
    cursor: Cursor,
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
        "deliveries/finish",
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


def settle_or_release(cursor: Cursor, ids: Sequence[int], state: State, why: str | None) -> None:
    """Moves the tokens as ``state`` says, and leaves a dead letter where a human should look."""
    if state in ACCEPTED_STATES:
        # A call is paid when it ends, for what it took.
        cursor.execute(
            "SELECT settle_tokens(ARRAY (SELECT id FROM deliveries WHERE id = ANY (%s) AND channel <> 'voice'))",
            (list(ids),),
        )
    elif state in DEAD_LETTER_STATES:
        record_dead_letters(cursor, ids, why or state.value)
    elif state in RELEASED_STATES:
        cursor.execute("SELECT release_tokens(%s, %s)", (list(ids), why))


def record_dead_letters(cursor: Cursor, ids: Sequence[int], why: str) -> None:
    """Gives the tokens of deliveries that ended back, leaves a dead letter each, tells the subscribers of calls."""
    if ids:
        cursor.execute("SELECT release_tokens(%s, %s)", (list(ids), why))
        cursor.execute(statement("deliveries/record_dead_letters"), {"ids": list(ids)})
        cursor.execute(statement("deliveries/enqueue_call_failures"), {"ids": list(ids)})
