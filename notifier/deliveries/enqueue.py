"""Enqueues deliveries: writes their rows, token holds and ledger entries in one transaction.

Threads that enqueue single deliveries at the same time share a transaction, because a transaction with eight rows takes
only slightly longer than a transaction with one row.
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

from notifier.core.db import retry_transaction, run
from notifier.core.errors import UnknownRecipient
from notifier.core.states import State


@dataclass(frozen=True)
class EnqueueResult:
    """The result of ``actor.send``. ``is_new`` is false if a delivery with the same dedupe key already existed."""

    delivery_id: int
    state: State
    is_new: bool


@dataclass(frozen=True)
class DeliveryRequest:
    """A delivery to enqueue.

    ``params`` contains the actor's arguments by name, except the subscriber and the lead. ``priority`` orders
    deliveries of one kind. The default for ``priority`` is the lead's score. The default for ``tokens`` is the kind's
    price. The delivery is due ``delay`` after ``not_before``, which defaults to now. The SQL function ``delivery_key``
    completes the dedupe keys ``trial:{days}`` and ``low``.
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
class _Pending:
    """One thread's request. After a thread has enqueued the request, ``result`` contains the result."""

    request: DeliveryRequest
    result: EnqueueResult | None = None
    error: psycopg.Error | None = None


#: How long (ms) a shared transaction waits for a locked subscriber row. After this time, each thread enqueues its own
#: request.
LOCK_TIMEOUT = 200

_waiting: deque[_Pending] = deque()
_batching = Lock()


def enqueue_deliveries(requests: Sequence[DeliveryRequest]) -> list[EnqueueResult]:
    """Enqueue either all deliveries, with their token holds, or none.

    A request whose dedupe key already exists adds no row. Returns one result for each request, in the same order.
    Raises UnknownRecipient if a subscriber or lead does not exist.
    """
    if len(requests) != 1:
        return _enqueue(requests) if requests else []
    pending = _Pending(requests[0])
    _waiting.append(pending)
    with _batching:
        if pending.result is None and pending.error is None:
            _enqueue_waiting()
    if pending.error is not None:
        raise pending.error
    # One bad request makes the whole batch fail, so each thread retries its own request and gets its own error.
    return [pending.result] if pending.result is not None else _enqueue(requests)


def _enqueue_waiting() -> None:
    """Enqueue all waiting requests. If the database is down, every waiting thread gets the error immediately."""
    batch = [_waiting.popleft() for _ in range(len(_waiting))]
    try:
        results = _enqueue([pending.request for pending in batch], LOCK_TIMEOUT)
    except psycopg.OperationalError as error:
        for pending in batch if error.sqlstate is None else ():
            pending.error = error
    except Exception:
        return
    else:
        for pending, result in zip(batch, results, strict=True):
            pending.result = result


def _enqueue(requests: Sequence[DeliveryRequest], timeout: int | None = None) -> list[EnqueueResult]:
    try:
        found = retry_transaction(lambda: _insert(requests, timeout))
    except psycopg.errors.ForeignKeyViolation as error:
        raise UnknownRecipient(f"{requests[0].kind}: {error.diag.message_detail}") from None
    seen: set[int] = set()
    results = []
    for row in found:
        is_new = row["opened"] and row["delivery_id"] not in seen
        results.append(EnqueueResult(row["delivery_id"], State(row["state"]), is_new))
        seen.add(row["delivery_id"])
    return results


def _insert(requests: Sequence[DeliveryRequest], timeout: int | None) -> list[DictRow]:
    return run("deliveries/enqueue", requests=json.dumps([_columns(request) for request in requests]), timeout=timeout)


def _columns(request: DeliveryRequest) -> dict[str, Any]:
    """Return the request as the SQL function ``enqueue_deliveries`` reads it."""
    columns: dict[str, Any] = {
        "kind": request.kind,
        "subscriber_id": request.subscriber_id,
        "lead_id": request.lead_id,
        "dedupe_key": request.dedupe_key,
        "priority": request.priority,
        "tokens": request.tokens,
    }
    if request.params:
        columns["params"] = dict(request.params)
    if request.not_before is not None:
        columns["not_before"] = request.not_before.isoformat()
    if request.delay:
        columns["delay"] = request.delay.total_seconds()
    return columns
