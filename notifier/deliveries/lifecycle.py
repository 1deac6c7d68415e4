"""The state machine of an enqueued delivery: claim, send, finish. Each step is a conditional UPDATE statement.

A worker commits a claim before the request goes out, and only the claim's holder may finish it. A delivery's state and
tokens change in the same transaction. If another session has locked the subscriber, the leader moves the tokens later.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import DictRow

from leads.alert import alert
from leads.logs import get_logger
from notifier.core.db import retry_transaction, rows, statement, transaction
from notifier.core.errors import KindUnavailable, OutcomeNotRecorded, ProviderError, ProviderUnavailable, Throttled
from notifier.core.queues import EMAIL, VOICE, Queue
from notifier.core.settings import settings
from notifier.core.states import ACCEPTED_STATES, DEAD_LETTER_STATES, RELEASED_STATES, State
from notifier.deliveries.call_capacity import free_call_capacity

log = get_logger(__name__)

Cursor = psycopg.Cursor[DictRow]
T = TypeVar("T")

#: This process's claims whose commit was not confirmed. The database may have committed these claims.
_unconfirmed_claims: deque[UUID] = deque()
#: If a claim is younger than this (s), a worker makes a request without checking the claim. The leader takes back only
#: older claims.
FRESH_SECONDS = 2.0
#: A worker makes no further request for a claim that is older than this (s), so that the actor ends before its time
#: limit.
CLAIM_SECONDS = 120.0
#: How long (s) a worker tries to record an outcome while the database is away. After this time, the leader marks the
#: deliveries as unknown.
RECORD_TIMEOUT = 30.0
RESUMES = "Sending resumes automatically when a trial succeeds."


class _RowLocked(Exception):
    """Another session has locked a row that an outcome changes."""


@dataclass(frozen=True)
class Claim:
    """Deliveries of one kind that only this process may send now."""

    key: UUID
    kind: str
    ids: tuple[int, ...]
    began: float = field(default_factory=time.monotonic, compare=False)
    """A moment (s, monotonic) before the claim."""

    @property
    def age(self) -> float:
        """Return the age of the claim (s). The true age may be slightly lower."""
        return time.monotonic() - self.began


@dataclass(frozen=True)
class SentRecord:
    """The address, sender and text that the delivery row stores for operators, until the retention period ends."""

    delivery_id: int
    recipient: str
    sender: str = ""
    body: str = ""


def claim(queue: Queue, kinds: Sequence[str]) -> Claim | None:
    """Claim at most one batch of due deliveries.

    All of them have the same kind, which is one of ``kinds``. Returns None when no delivery is due.
    """
    key = uuid4()
    try:
        return _claim(key, queue, kinds)
    except psycopg.OperationalError:
        _unconfirmed_claims.append(key)
        raise


def requeue_unconfirmed_claims(cursor: Cursor) -> None:
    """Requeue deliveries that this process claimed before it lost the database, if the commit was not confirmed."""
    if keys := list(_unconfirmed_claims):
        rows(cursor, "deliveries/requeue_unconfirmed_claims", keys=keys)
        for _ in keys:
            _unconfirmed_claims.popleft()


def _claim(key: UUID, queue: Queue, kinds: Sequence[str]) -> Claim | None:
    began = time.monotonic()
    with transaction() as cursor:
        if queue is VOICE and not free_call_capacity(cursor, kinds):
            return None
        if queue is EMAIL:
            # Allow only one e-mail claim at a time, so that each batch counts the e-mails in other batches toward the
            # daily cap.
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('notifier:emails'))")
        claimed = rows(
            cursor,
            "deliveries/claim",
            queue=queue.queue_name,
            kinds=list(kinds),
            limit=queue.batch,
            claim=key,
        )
    return Claim(key, claimed[0]["kind"], tuple(row["id"] for row in claimed), began) if claimed else None


def accept(claimed: Claim, queue: Queue, sent: Sequence[SentRecord], provider_id: str) -> None:
    """Record that the provider accepted ``sent``: settle the tokens and close the breakers.

    While the database is away, functions that finish a claim retry for RECORD_TIMEOUT seconds. They then raise
    OutcomeNotRecorded.
    """

    def record(cursor: Cursor, part: Sequence[SentRecord]) -> None:
        _finish(cursor, claimed, State.ACCEPTED, part, provider_id=provider_id)
        _close_breakers(cursor, claimed.kind, queue, [one.delivery_id for one in part])

    _record_each(sent, record)


def end(
    claimed: Claim,
    ids: Collection[int],
    state: State,
    code: str,
    message: str | None = None,
    *,
    rejected_by: Queue | None = None,
) -> None:
    """Finish deliveries that were not sent: record ``state`` and the reason ``code``, and release their tokens.

    ``rejected_by`` is the queue whose provider rejected only these deliveries. Because that provider works, the queue's
    breaker and the kind's breaker close.
    """

    def record(cursor: Cursor, part: Sequence[int]) -> None:
        _finish(cursor, claimed, state, [SentRecord(i, "") for i in part], code=code, message=message)
        if rejected_by is not None:
            _close_breakers(cursor, claimed.kind, rejected_by, part)

    _record_each(list(ids), record)


def mark_unknown(claimed: Claim, sent: Sequence[SentRecord], error: ProviderError) -> None:
    """Record that the outcome of ``sent`` is unknown. The tokens stay held until the outcome is known."""

    def record(cursor: Cursor, part: Sequence[SentRecord]) -> None:
        _finish(cursor, claimed, State.UNKNOWN, part, code=error.code, message=str(error))

    _record_each(sent, record)


def requeue(
    claimed: Claim, ids: Collection[int], queue: Queue, error: Exception, *, before_request: bool = False
) -> None:
    """Requeue deliveries that were not sent. The kind's retry delays or the provider determine when they are due again.

    After Throttled, ProviderUnavailable and KindUnavailable, the deliveries lose no attempt, and the breaker of the
    queue or of the kind opens. After the last two, on-call is alerted. If ``before_request`` is true, no request went
    out: only deliveries that are still ``sending`` are requeued, and other deliveries in ``ids`` keep their outcome.
    """
    wait = _wait(error)
    code = (error.code if isinstance(error, ProviderError) else None) or type(error).__name__

    def record(cursor: Cursor, part: Sequence[int]) -> None:
        requeued = rows(
            cursor,
            "deliveries/requeue",
            ids=list(part),
            claim=claimed.key,
            from_states=["sending"] if before_request else ["sending", "unknown"],
            is_attempt=wait is None,
            wait=wait or 0,
            scale=settings.notifier_time_scale,
            code=code,
            message=str(error)[:500],
        )
        record_dead_letters(cursor, [row["id"] for row in requeued if row["state"] == State.DEAD], "retries used up")
        if wait is not None:
            _open_breaker(cursor, claimed.kind, queue, wait, code, error)

    _record_each(list(ids), record)
    _alert_when_unavailable(claimed.kind, queue, error)


def _wait(error: Exception) -> float | None:
    """Return how long (s) the queue or the kind waits after ``error``, or None if the retry delays apply."""
    if isinstance(error, Throttled):
        return error.retry_after
    return 60 * settings.notifier_time_scale if isinstance(error, ProviderUnavailable | KindUnavailable) else None


def _alert_when_unavailable(kind: str, queue: Queue, error: Exception) -> None:
    if not isinstance(error, ProviderUnavailable | KindUnavailable):
        return
    is_kind = isinstance(error, KindUnavailable)
    alert(
        "critical",
        f"{kind}: nothing of this kind can be sent"
        if is_kind
        else f"{queue.queue_name}: the provider refuses everything",
        f"{error}. No delivery is lost: deliveries wait, and the notifier tries one delivery a minute.",
        f"Check the kind's template and sender. {RESUMES}"
        if is_kind
        else f"Check the provider's key, sender and account. {RESUMES}",
        cause=str(error) if is_kind else None,
    )


def keep(claimed: Claim, ids: Sequence[int]) -> bool:
    """Return whether this process still holds the claim on ``ids`` and may make a request for these deliveries.

    A claim older than FRESH_SECONDS is renewed first, because the process may have been frozen. If one delivery is no
    longer claimed, the other deliveries return to the queue.
    """
    if claimed.age < FRESH_SECONDS:
        return True
    try:
        if claimed.age < CLAIM_SECONDS and len(_renew(claimed, ids)) == len(ids):
            return True
        release(claimed, ids)
    except OutcomeNotRecorded:
        if len(ids) < len(claimed.ids):
            raise
        _unconfirmed_claims.append(claimed.key)
    return False


def _renew(claimed: Claim, ids: Sequence[int]) -> list[int]:
    """Renew the claim before a request for ``ids``. Returns the ids that are still claimed."""

    def record(cursor: Cursor) -> list[int]:
        return [row["id"] for row in rows(cursor, "deliveries/renew", ids=list(ids), claim=claimed.key)]

    return _record(record)


def release(claimed: Claim, ids: Sequence[int]) -> None:
    """Requeue deliveries for which no request was sent. They are due now and lose no attempt.

    The deliveries are requeued even if the leader has marked them as unknown. Deliveries that an operator or another
    process has taken keep their state.
    """
    _defer(claimed, ids, "claim_lost", ["sending", "unknown"])


def defer(
    claimed: Claim, ids: Sequence[int], code: str, *, until: datetime | None = None, pause: timedelta = timedelta(0)
) -> None:
    """Requeue deliveries that are still ``sending``, with the reason ``code``.

    They are due at ``until`` or after ``pause``, and lose no attempt.
    """
    _defer(claimed, ids, code, ["sending"], until, pause)


def _defer(
    claimed: Claim,
    ids: Sequence[int],
    code: str,
    from_states: list[str],
    until: datetime | None = None,
    pause: timedelta = timedelta(0),
) -> None:
    parameters = {
        "claim": claimed.key,
        "code": code,
        "from_states": from_states,
        "until": until,
        "pause": pause.total_seconds(),
    }
    _record_each(ids, lambda cursor, part: rows(cursor, "deliveries/defer", ids=list(part), **parameters))


def _record(transact: Callable[[Cursor], T]) -> T:
    """Commit the outcome of a claim. Keeps trying for RECORD_TIMEOUT seconds while the database is away."""

    def attempt() -> T:
        with transaction() as cursor:
            return transact(cursor)

    try:
        return retry_transaction(attempt, timeout=RECORD_TIMEOUT)
    except psycopg.Error as error:
        raise OutcomeNotRecorded(f"An outcome could not be recorded ({type(error).__name__})") from None


def _record_each(items: Sequence[T], write: Callable[[Cursor, Sequence[T]], object]) -> None:
    """Commit the outcomes of ``items`` together, or in smaller parts while another session has locked one of the rows.

    Only the items with locked rows wait for the locks.
    """
    parts, locked = deque([items]), list[T]()
    while parts and len(items) > 1:
        part = parts.popleft()
        if not _is_recorded(part, write):
            half = len(part) // 2
            parts += [part[:half], part[half:]] if half else []
            locked += [] if half else part
    for item in locked if len(items) > 1 else items:
        _record(partial(_write_one, write, item))


def _write_one(write: Callable[[Cursor, Sequence[T]], object], item: T, cursor: Cursor) -> None:
    write(cursor, [item])


def _is_recorded(part: Sequence[T], write: Callable[[Cursor, Sequence[T]], object]) -> bool:
    """Commit the outcomes of ``part``. Returns false if another session has locked one of the rows."""

    def attempt(cursor: Cursor) -> None:
        cursor.execute("SET LOCAL lock_timeout = '300ms'")
        try:
            write(cursor, part)
        except psycopg.errors.LockNotAvailable:
            raise _RowLocked from None

    try:
        _record(attempt)
    except _RowLocked:
        return False
    return True


def _open_breaker(cursor: Cursor, kind: str, queue: Queue, wait: float, code: str, error: Exception) -> None:
    place: dict[str, str] = {"kind": kind} if isinstance(error, KindUnavailable) else {"queue": queue.queue_name}
    name = "deliveries/open_kind_breaker" if "kind" in place else "deliveries/open_breaker"
    # A trial must have time to end before the next trial.
    interval = max(wait, 1.0) if isinstance(error, Throttled) else wait
    parameters = {**place, "wait": wait, "interval": interval, "code": code, "reason": str(error)[:500]}
    cursor.execute(statement(name), parameters)


def _close_breakers(cursor: Cursor, kind: str, queue: Queue, ids: Collection[int]) -> None:
    parameters = {"kind": kind, "queue": queue.queue_name, "ids": list(ids)}
    cursor.execute(statement("deliveries/close_breakers"), parameters)


def _finish(
    cursor: Cursor,
    claimed: Claim,
    state: State,
    sent: Sequence[SentRecord],
    *,
    provider_id: str | None = None,
    code: str | None = None,
    message: str | None = None,
) -> None:
    finished = rows(
        cursor,
        "deliveries/finish",
        state=state.value,
        claim=claimed.key,
        provider_id=provider_id,
        code=code,
        message=message,
        ids=[one.delivery_id for one in sent],
        recipients=[one.recipient or None for one in sent],
        senders=[one.sender or None for one in sent],
        bodies=[one.body or None for one in sent],
    )
    ids = [row["id"] for row in finished]
    if len(ids) < len(sent):
        log.warning("claim_lost", claimed=len(sent), taken_back=len(sent) - len(ids))
    settle_or_release(cursor, ids, state, code)


def settle_or_release(cursor: Cursor, ids: Sequence[int], state: State, reason: str | None) -> None:
    """Settle or release the tokens of deliveries, as ``state`` requires, and record dead letters for operators."""
    if state in ACCEPTED_STATES:
        # Do not settle calls here. When a call ends, its duration determines how many tokens are settled.
        cursor.execute(
            "SELECT settle_tokens(ARRAY (SELECT id FROM deliveries WHERE id = ANY (%s) AND channel <> 'voice'))",
            (list(ids),),
        )
    elif state in DEAD_LETTER_STATES:
        record_dead_letters(cursor, ids, reason or state.value)
    elif state in RELEASED_STATES:
        cursor.execute("SELECT release_tokens(%s, %s)", (list(ids), reason))


def record_dead_letters(cursor: Cursor, ids: Sequence[int], reason: str) -> None:
    """Release tokens, record a dead letter for each delivery, and notify the subscribers of failed calls."""
    if ids:
        cursor.execute("SELECT release_tokens(%s, %s)", (list(ids), reason))
        cursor.execute(statement("deliveries/record_dead_letters"), {"ids": list(ids)})
        cursor.execute(statement("deliveries/enqueue_call_failures"), {"ids": list(ids)})
