"""The state machine of a delivery: opened with its tokens, claimed, sent, finished — each a conditional statement.

Whoever sends holds a claim; a claim is committed before the request leaves and only its holder may end it. Tokens move
in the transaction that moves the state.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import DictRow

from leads import settings
from leads.alert import alert
from notifier.call_lines import free_lines
from notifier.errors import NotRecorded, ProviderError, ProviderWide, Throttled, UnknownRecipient
from notifier.lanes import VOICE, Lane
from notifier.states import DEAD_LETTERS, GIVEN_BACK, TAKEN, State
from notifier.store import repeated, rows, run, statement, transaction

log = logging.getLogger(__name__)

Cursor = psycopg.Cursor[DictRow]
T = TypeVar("T")

#: How long (s) the outcome of a request waits for a database that is away, before a sweeper has to find out.
RECORD_PATIENCE = 30.0


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


@dataclass(frozen=True)
class Request:
    """A delivery that somebody wants.

    ``params`` are the actor's arguments beside subscriber and lead, by name. Without ``priority`` the lead's score
    orders it inside its kind, without ``tokens`` the kind's price is held. It is due ``delay`` after ``not_before``
    (now). The keys ``trial:{days}`` and ``low`` are completed by the database (``delivery_key``).
    """

    kind: str
    dedupe_key: str
    subscriber_id: int | None
    lead_id: int | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    priority: int | None = None
    tokens: int | None = None
    not_before: datetime | None = None
    delay: timedelta = timedelta()


def open_deliveries(requests: Sequence[Request]) -> list[Opened]:
    """Opens a delivery for each request, with their token holds, all or none; the same key again opens nothing.

    Returns one Opened a request, in their order. Raises UnknownRecipient when a subscriber or lead does not exist.
    """
    if not requests:
        return []
    try:
        found = repeated(lambda: _open(requests))
    except psycopg.errors.ForeignKeyViolation as error:
        raise UnknownRecipient(f"{requests[0].kind}: {error.diag.message_detail}") from None
    seen: set[int] = set()
    opened = []
    for row in found:
        opened.append(Opened(row["delivery_id"], State(row["state"]), row["opened"] and row["delivery_id"] not in seen))
        seen.add(row["delivery_id"])
    return opened


def _open(requests: Sequence[Request]) -> list[DictRow]:
    return run(
        "open",
        kinds=[r.kind for r in requests],
        subscribers=[r.subscriber_id for r in requests],
        leads=[r.lead_id for r in requests],
        keys=[r.dedupe_key for r in requests],
        params=[json.dumps(dict(r.params)) if r.params else None for r in requests],
        priorities=[r.priority for r in requests],
        tokens=[r.tokens for r in requests],
        moments=[r.not_before for r in requests],
        delays=[r.delay for r in requests],
    )


def claim(lane: Lane, kinds: Sequence[str]) -> Claim | None:
    """Claims what is due of one of ``kinds``, at most the lane's batch; None when nothing is."""
    key = uuid4()
    with transaction() as cursor:
        if lane is VOICE and not free_lines(cursor, kinds):
            return None
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
    """The provider has taken ``messages``: their tokens are spent, and the lane's breaker, if any, closes.

    This and the other ends of a claim wait for the database if need be; NotRecorded when it does not come back.
    """

    def record(cursor: Cursor) -> None:
        _finish(cursor, claimed, State.ACCEPTED, messages, provider_id=provider_id)
        _close_breaker(cursor, lane)

    _record(record)


def end(
    claimed: Claim,
    ids: Collection[int],
    state: State,
    code: str,
    message: str | None = None,
    *,
    answered: Lane | None = None,
) -> None:
    """Ends deliveries that are not sent: ``state`` says how, ``code`` why. Their tokens go back.

    ``answered`` is the lane whose provider said so, about this message alone: its breaker closes.
    """

    def record(cursor: Cursor) -> None:
        _finish(cursor, claimed, state, [Sent(i, "") for i in ids], code=code, message=message)
        if answered is not None:
            _close_breaker(cursor, answered)

    _record(record)


def unclear(claimed: Claim, messages: Sequence[Sent], error: ProviderError) -> None:
    """Nobody knows whether ``messages`` were sent: they keep their holds until somebody does."""
    _record(
        lambda cursor: _finish(cursor, claimed, State.UNKNOWN, messages, code=error.code, message=str(error)),
    )


def put_back(claimed: Claim, ids: Collection[int], lane: Lane, error: Exception, *, untried: bool = False) -> None:
    """Nothing was sent: the deliveries are due again when their kind's retry table, or the provider, says.

    A provider that refuses everybody opens the lane's breaker and is told to on-call. ``untried`` says that no request
    was made for those that are still ``sending``; others of ``ids`` have their outcome and keep it.
    """
    scale = settings.time_scale()
    free = isinstance(error, Throttled | ProviderWide)
    wait = error.retry_after if isinstance(error, Throttled) else 60 * scale if free else 0
    code = (error.code if isinstance(error, ProviderError) else None) or type(error).__name__

    def record(cursor: Cursor) -> None:
        back = rows(
            cursor,
            "put_back",
            ids=list(ids),
            claim=claimed.key,
            from_states=["sending"] if untried else ["sending", "unknown"],
            costs_a_try=not free,
            wait=wait,
            scale=scale,
            code=code,
            message=str(error)[:500],
        )
        bury(cursor, [row["id"] for row in back if row["state"] == State.DEAD], "retries used up")
        if isinstance(error, ProviderWide):
            cursor.execute(
                "INSERT INTO lane_breakers (queue_name, next_trial_at, code, reason)"
                " VALUES (%s, now() + make_interval(secs => %s), %s, %s) ON CONFLICT (queue_name) DO NOTHING",
                (lane.queue_name, wait, code, str(error)[:500]),
            )

    _record(record)
    if isinstance(error, ProviderWide):
        alert(
            "critical",
            f"{lane.queue_name}: the provider refuses everything",
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
    _record(lambda cursor: rows(cursor, "defer", ids=list(ids), claim=claimed.key, until=until, code=code))


def _record(transact: Callable[[Cursor], T]) -> T:
    """Commits the outcome of a claim, however long the database is away (within reason)."""

    def attempt() -> T:
        with transaction() as cursor:
            return transact(cursor)

    try:
        return repeated(attempt, patience=RECORD_PATIENCE)
    except psycopg.Error as error:
        raise NotRecorded(f"An outcome could not be written ({type(error).__name__})") from None


def _close_breaker(cursor: Cursor, lane: Lane) -> None:
    cursor.execute("DELETE FROM lane_breakers WHERE queue_name = %s", (lane.queue_name,))


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


def settle_or_release(cursor: Cursor, ids: Sequence[int], state: State, why: str | None) -> None:
    """Moves the tokens as ``state`` says, and leaves a dead letter where a human should look."""
    if state in TAKEN:
        # A call is paid when it ends, for what it took.
        cursor.execute(
            "SELECT settle_tokens(ARRAY (SELECT id FROM deliveries WHERE id = ANY (%s) AND channel <> 'voice'))",
            (list(ids),),
        )
    elif state in DEAD_LETTERS:
        bury(cursor, ids, why or state.value)
    elif state in GIVEN_BACK:
        cursor.execute("SELECT release_tokens(%s, %s)", (list(ids), why))


def bury(cursor: Cursor, ids: Sequence[int], why: str) -> None:
    """Gives the tokens of deliveries that ended back, leaves a dead letter each, tells the subscribers of calls."""
    if ids:
        cursor.execute("SELECT release_tokens(%s, %s)", (list(ids), why))
        cursor.execute(statement("dead_letters"), {"ids": list(ids)})
        cursor.execute(statement("open_call_failures"), {"ids": list(ids)})
