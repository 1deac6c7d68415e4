"""Looks up a parcel in the table ``properties``, or through the county's API if the table has no recent row.

A request is a row in the table ``lookups``. Each folio has at most one open request, which all callers share. A worker
answers the request (``notifier.lookups.worker``), and PostgreSQL wakes the callers (``notifier.lookups.listener``).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

import dramatiq
import psycopg
from psycopg.rows import DictRow

from leads.clock import NEW_YORK
from leads.logs import get_logger
from notifier.broker.wakeups import push
from notifier.core.db import rows, run, transaction
from notifier.core.errors import UnknownRecipient
from notifier.core.queues import LOOKUPS
from notifier.core.settings import settings
from notifier.lookups import listener

log = get_logger(__name__)

ACTOR = "property_lookup"
#: A lookup is answered from the table ``properties`` if the row there is less than this many days old.
MAX_AGE_DAYS = 30
#: The delay (s) before each retry. A call to the API takes at most 3 s, so a lookup ends within 26 s.
RETRY_DELAYS = (2, 4, 8)
CALLS_SECONDS = 16
#: A waiting caller also looks for the answer at this interval (s), in case a wake-up is lost.
LOOK_AGAIN_SECONDS = 2.0
#: The error codes of lookups that failed because no unit was left for the day.
UNIT_CAPS = frozenset({"unit_cap", "subscriber_unit_cap"})
#: The error code of a lookup that waited in a paused queue until it was too old. No call was made for this lookup.
PAUSED = "queue_paused"

PROPERTY_FIELDS = (
    *("id", "folio_number", "address", "unit", "city", "zip", "owner_name", "last_sale_date", "last_sale_price"),
    *("last_transaction_type", "assessed_value", "mortgage_balance", "property_type", "building_sqft"),
    *("lot_size_acres", "year_built", "bedrooms", "bathrooms", "has_pool", "is_waterfront"),
    *("data_source", "last_updated", "roll_updated_at"),
)


class MalformedFolio(ValueError):
    """The string is not a folio. A folio has 13 digits, with or without dashes, and is not zero."""


class LookupPending(Exception):
    """The lookup has no answer yet. Ask again later with ``notifier.lookups.result(lookup_id)`` or over HTTP."""

    def __init__(self, lookup_id: int) -> None:
        super().__init__(f"lookup {lookup_id} has no answer yet: ask again with this id")
        self.lookup_id = lookup_id


class LookupFailed(Exception):
    """The lookup failed.

    ``code`` is the reason for the failure. ``retry_after`` is the number of seconds to wait before another try. If
    ``retry_after`` is None, no wait is needed.
    """

    def __init__(self, message: str, *, code: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.retry_after = retry_after


@dataclass(frozen=True)
class RequestedLookup:
    """The result of a request: an ``answer`` from the cache, or the ``lookup_id`` of a new or existing lookup."""

    folio: str
    lookup_id: int | None
    is_new: bool
    answer: dict[str, Any] | None = None


class AnswerWait:
    """One caller's wait for an answer. Both threads and event loops can use this class.

    The caller enters ``registered`` and calls ``begin``. Then, until ``answer`` is set, the caller repeatedly
    waits up to ``seconds_to_wait`` for the wake-up and calls ``look``.
    """

    def __init__(self, folio_number: str, subscriber_id: int, timeout: float) -> None:
        """Find the cached answer or request a lookup, as ``request_lookup`` does. ``timeout`` is in seconds."""
        self._deadline = time.monotonic() + timeout
        self._subscriber_id = subscriber_id
        self._request = request_lookup(folio_number, subscriber_id)
        self.answer = self._request.answer

    @property
    def _lookup_id(self) -> int:
        assert self._request.lookup_id is not None, "a cached answer needs no wait"
        return self._request.lookup_id

    def registered(self, wake: Callable[[], object]) -> AbstractContextManager[None]:
        """Register ``wake``. Another thread calls ``wake`` whenever the answer may be available."""
        return listener.registered(self._request.folio, wake)

    def begin(self) -> None:
        """Wake a worker for a new request, or look for the answer to an existing request."""
        if self._request.is_new:
            wake(self._request.folio, self._subscriber_id, self._lookup_id)
        else:
            self.look()

    def look(self) -> None:
        """Read the answer if it is available. Raises LookupFailed if the lookup failed."""
        self.answer = result(self._lookup_id)

    def seconds_to_wait(self) -> float:
        """Return the number of seconds to wait before the next ``look``. Raises LookupPending after the timeout."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise LookupPending(self._lookup_id)
        return min(left, LOOK_AGAIN_SECONDS)


def lookup(folio_number: str, subscriber_id: int, timeout: float = 30) -> dict[str, Any]:
    """Return the known facts about a parcel. Waits up to ``timeout`` seconds for the county's API.

    The answer contains ``property`` (a dict of the columns of ``properties``, or None if the county has no record),
    ``source`` (``cached`` or ``api``), ``age_days``, ``total_records`` (rows in the county's answer, None for a cached
    answer), ``units_consumed`` and ``remaining_balance`` (units). Raises MalformedFolio, UnknownRecipient,
    LookupPending after the timeout, and LookupFailed if the county's API fails or must not be called.
    """
    wait = AnswerWait(folio_number, subscriber_id, timeout)
    if wait.answer is not None:
        return wait.answer
    woken = Event()
    with wait.registered(woken.set):
        wait.begin()
        while wait.answer is None:
            woken.wait(wait.seconds_to_wait())
            woken.clear()
            wait.look()
    return wait.answer


def request_lookup(folio_number: str, subscriber_id: int | None) -> RequestedLookup:
    """Find the cached answer, or join the folio's open request. If neither exists, write a request and hold its tokens.

    Wakes no worker. Raises MalformedFolio, UnknownRecipient, and LookupFailed (``insufficient_tokens``).
    """
    folio = normal_form(folio_number)
    parameters = {
        "folio": folio,
        "subscriber": subscriber_id,
        "days": MAX_AGE_DAYS,
        "lifetime": CALLS_SECONDS + sum(RETRY_DELAYS) * settings.notifier_time_scale,
    }
    try:
        if tokens := settings.lookup_tokens:
            with transaction() as cursor:
                (row,) = rows(cursor, "lookups/request_lookup", **parameters)
                if row["is_new"]:
                    _hold(cursor, row["lookup_id"], subscriber_id, tokens)
        else:
            (row,) = run("lookups/request_lookup", **parameters)
    except psycopg.errors.ForeignKeyViolation as error:
        raise UnknownRecipient(f"{ACTOR}: {error.diag.message_detail}") from None
    if row["is_cached"]:
        return RequestedLookup(folio, None, False, _answer(row, "cached", None, 0, None))
    return RequestedLookup(folio, row["lookup_id"], row["is_new"])


def _hold(cursor: psycopg.Cursor[DictRow], lookup_id: int, subscriber_id: int | None, tokens: int) -> None:
    if not rows(cursor, "lookups/hold_for_lookup", id=lookup_id, subscriber=subscriber_id, tokens=tokens):
        raise LookupFailed(f"a lookup costs {tokens} tokens, more than the balance", code="insufficient_tokens")


def result(lookup_id: int) -> dict[str, Any] | None:
    """Return the answer to a lookup in the form that ``lookup`` returns, or None while the answer is pending.

    Raises LookupFailed if the lookup failed, and KeyError if the lookup does not exist.
    """
    found = run("lookups/read_lookup", id=lookup_id)
    if not found:
        raise KeyError(lookup_id)
    row = found[0]
    if row["state"] == "failed":
        retry_after = seconds_until_midnight() if row["error_code"] in UNIT_CAPS else None
        raise LookupFailed(row["error_message"], code=row["error_code"], retry_after=retry_after)
    if row["state"] != "answered":
        return None
    return _answer(row, "api", row["total_records"], row["units_consumed"], row["remaining_balance"])


def wake(folio: str, subscriber_id: int | None, lookup_id: int) -> None:
    """Send the message for a lookup to a worker. If Redis is down, the leader sends the message later."""
    message = dramatiq.Message[None](
        queue_name=LOOKUPS.queue_name,
        actor_name=ACTOR,
        args=(folio, subscriber_id, lookup_id),
        kwargs={},
        options={},
    )
    try:
        push(message)
    except Exception as error:
        log.warning(
            "lookup_not_queued",
            lookup_id=lookup_id,
            error=type(error).__name__,
            consequence="the leader sends it",
        )


def normal_form(folio_number: str) -> str:
    """Return the 13 digits of a folio. Raises MalformedFolio."""
    digits = re.sub(r"[\s-]", "", str(folio_number))
    if not re.fullmatch(r"[0-9]{13}", digits) or not digits.strip("0"):
        raise MalformedFolio("a folio has 13 digits, with or without dashes, such as 01-3123-045-0670, and is not zero")
    return digits


def seconds_until_midnight() -> float:
    """Return the number of seconds until the next day begins in New York and new units are available."""
    now = datetime.now(UTC)
    tomorrow = (now.astimezone(NEW_YORK) + timedelta(days=1)).date()
    midnight = datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=NEW_YORK)
    return (midnight - now).total_seconds()


def _answer(row: DictRow, source: str, records: int | None, units: int, balance: int | None) -> dict[str, Any]:
    known = row["id"] is not None
    age = datetime.now(UTC) - row["last_updated"] if known and row["last_updated"] else None
    return {
        "property": {name: row[name] for name in PROPERTY_FIELDS} if known else None,
        "source": source,
        "age_days": max(age.days, 0) if age else 0,
        "total_records": records,
        "units_consumed": units,
        "remaining_balance": balance,
    }
