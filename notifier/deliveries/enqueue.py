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
class Opened:
    """What ``.send()`` returns. ``is_new`` is False when the delivery was there before (same dedupe key)."""

    delivery_id: int
    state: State
    is_new: bool


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


@dataclass(eq=False)
class _Call:
    """One thread's request, and what came of it once another thread has opened it."""

    request: Request
    opened: Opened | None = None
    error: psycopg.Error | None = None


#: How long those whose turn it is wait for a subscriber's row that somebody holds; then each waits for its own.
PATIENCE = "200ms"

_waiting: deque[_Call] = deque()
_turn = Lock()


def open_deliveries(requests: Sequence[Request]) -> list[Opened]:
    """Opens a delivery for each request, with their token holds, all or none; the same key again opens nothing.

    Returns one Opened a request, in their order. Raises UnknownRecipient when a subscriber or lead does not exist.
    """
    if len(requests) != 1:
        return _open(requests) if requests else []
    call = _Call(requests[0])
    _waiting.append(call)
    with _turn:
        if call.opened is None and call.error is None:
            _open_together()
    if call.error is not None:
        raise call.error
    # What went wrong for all may be one's fault: everybody tries alone, beside the others, and hears of their own.
    return [call.opened] if call.opened is not None else _open(requests)


def _open_together() -> None:
    """Opens what waits. Without a database everybody is told so, instead of each waiting for it in turn."""
    together = [_waiting.popleft() for _ in range(len(_waiting))]
    try:
        opened = _open([call.request for call in together], PATIENCE)
    except psycopg.OperationalError as error:
        for call in together if error.sqlstate is None else ():
            call.error = error
    except Exception:
        return
    else:
        for call, one in zip(together, opened, strict=True):
            call.opened = one


def _open(requests: Sequence[Request], patience: str | None = None) -> list[Opened]:
    try:
        found = repeated(lambda: _insert(requests, patience))
    except psycopg.errors.ForeignKeyViolation as error:
        raise UnknownRecipient(f"{requests[0].kind}: {error.diag.message_detail}") from None
    seen: set[int] = set()
    opened = []
    for row in found:
        opened.append(Opened(row["delivery_id"], State(row["state"]), row["opened"] and row["delivery_id"] not in seen))
        seen.add(row["delivery_id"])
    return opened


def _insert(requests: Sequence[Request], patience: str | None) -> list[DictRow]:
    return run(
        "deliveries/enqueue",
        patience=patience,
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
