"""Opening deliveries: their rows, token holds and ledger entries in one transaction, committed when it returns.

Threads that open one each at the same time share a transaction, as e-mails share a request: the statement and its
commit cost nearly the same for one as for eight.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

import psycopg
from psycopg.rows import DictRow

from notifier.core.db import repeated, run
from notifier.core.errors import UnknownRecipient
from notifier.core.states import State


@dataclass(frozen=True)
class EnqueueResult:
    """What ``.send()`` returns. ``is_new`` is False when the delivery was there before (same dedupe key)."""

    delivery_id: int
    state: State
    is_new: bool


@dataclass(frozen=True)
class DeliveryRequest:
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


@dataclass(eq=False)
class _Call:
    """One thread's request, and what came of it once another thread has opened it."""

    request: DeliveryRequest
    results: EnqueueResult | None = None
    error: psycopg.Error | None = None


#: How long those whose turn it is wait for a subscriber's row that somebody holds; then each waits for its own.
LOCK_TIMEOUT = "200ms"

_waiting: deque[_Call] = deque()
_turn = Lock()


def enqueue_deliveries(requests: Sequence[DeliveryRequest]) -> list[EnqueueResult]:
    """Opens a delivery for each request, with their token holds, all or none; the same key again opens nothing.

    Returns one Opened a request, in their order. Raises UnknownRecipient when a subscriber or lead does not exist.
    """
    if len(requests) != 1:
        return _enqueue(requests) if requests else []
    call = _Call(requests[0])
    _waiting.append(call)
    with _turn:
        if call.results is None and call.error is None:
            _enqueue_together()
    if call.error is not None:
        raise call.error
    # What went wrong for all may be one's fault: everybody tries alone, beside the others, and hears of their own.
    return [call.results] if call.results is not None else _enqueue(requests)


def _enqueue_together() -> None:
    """Opens what waits. Without a database everybody is told so, instead of each waiting for it in turn."""
    together = [_waiting.popleft() for _ in range(len(_waiting))]
    try:
        results = _enqueue([call.request for call in together], LOCK_TIMEOUT)
    except psycopg.OperationalError as error:
        for call in together if error.sqlstate is None else ():
            call.error = error
    except Exception:
        return
    else:
        for call, one in zip(together, results, strict=True):
            call.results = one


def _enqueue(requests: Sequence[DeliveryRequest], timeout: str | None = None) -> list[EnqueueResult]:
    try:
        found = repeated(lambda: _insert(requests, timeout))
    except psycopg.errors.ForeignKeyViolation as error:
        raise UnknownRecipient(f"{requests[0].kind}: {error.diag.message_detail}") from None
    seen: set[int] = set()
    results = []
    for row in found:
        results.append(
            EnqueueResult(row["delivery_id"], State(row["state"]), row["opened"] and row["delivery_id"] not in seen)
        )
        seen.add(row["delivery_id"])
    return results


def _insert(requests: Sequence[DeliveryRequest], timeout: str | None) -> list[DictRow]:
    return run(
        "deliveries/enqueue",
        timeout=timeout,
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
