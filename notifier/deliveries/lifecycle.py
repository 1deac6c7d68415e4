"""The state machine of an enqueued delivery: claim, send, finish. Each step is a conditional UPDATE statement.

A worker commits a claim before the request goes out, and only the claim's holder may finish the claim. A delivery's
state and tokens change in the same transaction. If another session has locked the subscriber's row, the leader moves
the tokens later.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import dict_row

from leads.logs import get_logger
from notifier.core.db import PLAN_ONCE, pipeline, rows, statement, transaction
from notifier.core.errors import OutcomeNotRecorded, ProviderError
from notifier.core.queues import EMAIL, VOICE, Queue
from notifier.core.settings import settings
from notifier.core.states import State
from notifier.deliveries import breakers
from notifier.deliveries.call_capacity import free_call_capacity
from notifier.deliveries.commits import Cursor, commit, commit_each
from notifier.deliveries.settlement import record_dead_letters, settle_or_release

log = get_logger(__name__)

#: This process's claims whose commit was not confirmed. The database may have committed these claims.
_unconfirmed_claims: deque[UUID] = deque()
#: If a claim is younger than this many seconds, a worker makes a request without checking the claim. The leader takes
#: back only older claims.
FRESH_SECONDS = 2.0
#: A worker makes no further request for a claim that is older than this many seconds, so that the actor ends before its
#: time limit.
CLAIM_SECONDS = 120.0


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
    """The recipient, sender and text that the delivery's row stores for operators until the retention period ends."""

    delivery_id: int
    recipient: str
    sender: str = ""
    body: str = ""


def claim(queue: Queue, kinds: Sequence[str]) -> Claim | None:
    """Claim at most one batch of due deliveries.

    All deliveries in the batch have the same kind, which is one of ``kinds``. Returns None when no delivery is due.
    """
    key = uuid4()
    try:
        return _claim(key, queue, kinds)
    except psycopg.OperationalError:
        _unconfirmed_claims.append(key)
        raise


def requeue_unconfirmed_claims(cursor: Cursor) -> None:
    """Requeue deliveries that this process tried to claim before it lost the connection to the database."""
    if keys := list(_unconfirmed_claims):
        rows(cursor, "deliveries/requeue_unconfirmed_claims", keys=keys)
        for _ in keys:
            _unconfirmed_claims.popleft()


def _claim(key: UUID, queue: Queue, kinds: Sequence[str]) -> Claim | None:
    began = time.monotonic()
    if queue is VOICE:
        with transaction() as cursor:
            claimed = _claim_rows(cursor, key, queue, kinds) if free_call_capacity(cursor, kinds) else None
            found = claimed.fetchall() if claimed else []
    else:
        # Send all statements at once, because an idle queue's claim takes less time than a round trip.
        with pipeline() as connection:
            claimed = _claim_rows(connection.cursor(row_factory=dict_row), key, queue, kinds)
        found = claimed.fetchall()
    return Claim(key, found[0]["kind"], tuple(row["id"] for row in found), began) if found else None


def _claim_rows(cursor: Cursor, key: UUID, queue: Queue, kinds: Sequence[str]) -> Cursor:
    """Claim deliveries in the cursor's transaction. Returns the cursor, which has a row for each delivery."""
    # Planning the statement takes longer than an idle queue's claim.
    cursor.execute(PLAN_ONCE)
    if queue is EMAIL:
        # Allow only one e-mail claim at a time, so that each batch counts the e-mails in other batches toward the
        # daily cap.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('notifier:emails'))")
    parameters = {"queue": queue.queue_name, "kinds": list(kinds), "limit": queue.batch, "claim": key}
    return cursor.execute(statement("deliveries/claim"), parameters)


def accept(claimed: Claim, queue: Queue, sent: Sequence[SentRecord], provider_id: str) -> None:
    """Record that the provider accepted ``sent``: settle the tokens and close the breakers.

    While the database is down, each function that finishes a claim retries for RECORD_TIMEOUT seconds and then raises
    OutcomeNotRecorded.
    """

    def record(cursor: Cursor, part: Sequence[SentRecord]) -> None:
        _finish(cursor, claimed, State.ACCEPTED, part, provider_id=provider_id)
        breakers.close(cursor, claimed.kind, queue, [one.delivery_id for one in part])

    commit_each(sent, record)


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

    If the provider rejected only these deliveries, ``rejected_by`` is the queue that uses the provider. A provider that
    rejects individual deliveries works, so the queue's breaker and the kind's breaker close.
    """

    def record(cursor: Cursor, part: Sequence[int]) -> None:
        _finish(cursor, claimed, state, [SentRecord(i, "") for i in part], code=code, message=message)
        if rejected_by is not None:
            breakers.close(cursor, claimed.kind, rejected_by, part)

    commit_each(list(ids), record)


def mark_unknown(claimed: Claim, sent: Sequence[SentRecord], error: ProviderError) -> None:
    """Record that the outcome of ``sent`` is unknown. The tokens stay held until the outcome is known."""

    def record(cursor: Cursor, part: Sequence[SentRecord]) -> None:
        _finish(cursor, claimed, State.UNKNOWN, part, code=error.code, message=str(error))

    commit_each(sent, record)


def requeue(
    claimed: Claim, ids: Collection[int], queue: Queue, error: Exception, *, before_request: bool = False
) -> None:
    """Requeue deliveries that were not sent.

    Either the kind's retry delays or the provider determines when the deliveries are due again. The errors
    ``Throttled``, ``ProviderUnavailable`` and ``KindUnavailable`` do not count as attempts, and open the queue's
    breaker or the kind's breaker. If ``error`` is ``ProviderUnavailable`` or ``KindUnavailable``, on-call is alerted.
    If ``before_request`` is true, no request went out. In this case, only deliveries that are still ``sending`` are
    requeued, and the other deliveries in ``ids`` keep their outcome.
    """
    wait = breakers.seconds_to_wait(error)
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
        breakers.open_after(cursor, claimed.kind, queue, error, code)

    commit_each(list(ids), record)
    breakers.alert_when_unavailable(claimed.kind, queue, error)


def keep(claimed: Claim, ids: Sequence[int]) -> bool:
    """Return whether this process still holds the claim on ``ids`` and may make a request for these deliveries.

    A claim older than FRESH_SECONDS is renewed first, because the process may have been frozen. If any delivery is no
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
    """Renew the claim before a request for ``ids``. Returns the ids for which this process still holds the claim."""

    def record(cursor: Cursor) -> list[int]:
        return [row["id"] for row in rows(cursor, "deliveries/renew", ids=list(ids), claim=claimed.key)]

    return commit(record)


def release(claimed: Claim, ids: Sequence[int]) -> None:
    """Requeue deliveries for which no request was sent. The deliveries are due now, and no attempt is counted.

    The deliveries are requeued even if the leader has marked them as unknown. Deliveries that an operator or another
    process has taken keep their state.
    """
    _defer(claimed, ids, "claim_lost", ["sending", "unknown"])


def defer(
    claimed: Claim,
    ids: Sequence[int],
    code: str,
    *,
    until: datetime | None = None,
    pause: timedelta = timedelta(0),
    message: str | None = None,
) -> None:
    """Requeue deliveries that are still ``sending``, with the reason ``code`` and an explanation in ``message``.

    The deliveries are due at ``until`` or after ``pause``, and no attempt is counted.
    """
    _defer(claimed, ids, code, ["sending"], until, pause, message)


def _defer(
    claimed: Claim,
    ids: Sequence[int],
    code: str,
    from_states: list[str],
    until: datetime | None = None,
    pause: timedelta = timedelta(0),
    message: str | None = None,
) -> None:
    parameters = {
        "claim": claimed.key,
        "code": code,
        "from_states": from_states,
        "until": until,
        "pause": pause.total_seconds(),
        "message": message,
    }
    commit_each(ids, lambda cursor, part: rows(cursor, "deliveries/defer", ids=list(part), **parameters))


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
