"""Looking up one parcel: the property as we know it when that is young enough, else as the county's API tells it.

A question to the API is a row of ``lookups``, one for each folio at a time, however many processes ask. A worker of the
lane answers it (``notifier.lookups.worker``), PostgreSQL wakes those who wait (``notifier.lookups.listener``).
"""

from __future__ import annotations

import logging
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import dramatiq
import psycopg
from psycopg.rows import DictRow

from leads import settings
from leads.business_days import NEW_YORK
from notifier.broker.wakeups import push
from notifier.core.db import rows, run, transaction
from notifier.core.errors import UnknownRecipient
from notifier.core.queues import LOOKUPS
from notifier.lookups import listener

log = logging.getLogger(__name__)

ACTOR = "property_lookup"
#: Younger facts are answered from ``properties``.
MAX_AGE_DAYS = 30
#: Waits (s) before each further call; a call takes 3 s at most, so that a question ends within 26 s.
RETRY_DELAYS = (2, 4, 8)
CALLS_SECONDS = 16
#: The longest (s) that a lost wake-up costs somebody who waits.
LOOK_AGAIN_SECONDS = 2.0

PROPERTY_FIELDS = (
    *("id", "folio_number", "address", "unit", "city", "zip", "owner_name", "last_sale_date", "last_sale_price"),
    *("last_transaction_type", "assessed_value", "mortgage_balance", "property_type", "building_sqft"),
    *("lot_size_acres", "year_built", "bedrooms", "bathrooms", "has_pool", "is_waterfront"),
    *("data_source", "last_updated", "roll_updated_at"),
)


class MalformedFolio(ValueError):
    """Not a folio: 13 digits, with or without dashes, not all of them zero."""


class LookupPending(Exception):
    """The answer is not here yet. Ask again: ``notifier.lookups.result(lookup_id)``, or over HTTP."""

    def __init__(self, lookup_id: int) -> None:
        super().__init__(f"lookup {lookup_id} is not answered yet: ask for it again by this id")
        self.lookup_id = lookup_id


class LookupFailed(Exception):
    """There is no answer. ``code`` says why; ``retry_after`` (s) when asking again makes sense, None when at once."""

    def __init__(self, message: str, *, code: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.retry_after = retry_after


@dataclass(frozen=True)
class RequestedLookup:
    """Either ``answer`` (it was known) or the ``lookup_id`` to wait for; ``is_new`` when nobody else has asked."""

    folio: str
    lookup_id: int | None
    is_new: bool
    answer: dict[str, Any] | None = None


def lookup(folio_number: str, subscriber_id: int, timeout: float = 30) -> dict[str, Any]:
    """What is known of a parcel, waiting at most ``timeout`` seconds for the county's API.

    Returns ``property`` (a dict of the table's columns, or None when the county has nothing), ``source`` (``cached`` or
    ``api``), ``age_days``, ``total_records`` (rows of the county's answer, None when cached), ``units_consumed`` and
    ``remaining_balance`` (units). Raises MalformedFolio, UnknownRecipient, LookupPending after the timeout, and
    LookupFailed when the county cannot or may not be asked.
    """
    deadline = time.monotonic() + timeout
    asked = request_lookup(folio_number, subscriber_id)
    if asked.answer is not None:
        return asked.answer
    assert asked.lookup_id is not None
    with listener.waiting_for(asked.folio) as woken:
        if asked.is_new:
            wake(asked.folio, subscriber_id, asked.lookup_id)
        elif answer := result(asked.lookup_id):
            return answer
        while (left := deadline - time.monotonic()) > 0:
            woken.wait(min(left, LOOK_AGAIN_SECONDS))
            woken.clear()
            if answer := result(asked.lookup_id):
                return answer
    raise LookupPending(asked.lookup_id)


def request_lookup(folio_number: str, subscriber_id: int | None) -> RequestedLookup:
    """Finds the known answer, joins the question that is open, or opens one and holds its price.

    Raises MalformedFolio, UnknownRecipient, LookupFailed (``insufficient_tokens``); rings nothing.
    """
    folio = normal_form(folio_number)
    wanted = {
        "folio": folio,
        "subscriber": subscriber_id,
        "days": MAX_AGE_DAYS,
        "lifetime": CALLS_SECONDS + sum(RETRY_DELAYS) * settings.time_scale(),
    }
    try:
        if tokens := int(settings.number("LOOKUP_TOKENS", 0)):
            with transaction() as cursor:
                (row,) = rows(cursor, "lookups/request_lookup", **wanted)
                if row["is_new"]:
                    _hold(cursor, row["lookup_id"], subscriber_id, tokens)
        else:
            (row,) = run("lookups/request_lookup", **wanted)
    except psycopg.errors.ForeignKeyViolation as error:
        raise UnknownRecipient(f"{ACTOR}: {error.diag.message_detail}") from None
    if row["is_cached"]:
        return RequestedLookup(folio, None, False, _answer(row, "cached", None, 0, None))
    return RequestedLookup(folio, row["lookup_id"], row["is_new"])


def _hold(cursor: psycopg.Cursor[DictRow], lookup_id: int, subscriber_id: int | None, tokens: int) -> None:
    if not rows(cursor, "lookups/hold_for_lookup", id=lookup_id, subscriber=subscriber_id, tokens=tokens):
        raise LookupFailed(f"a lookup costs {tokens} tokens, more than there are", code="insufficient_tokens")


def result(lookup_id: int) -> dict[str, Any] | None:
    """The answer of a lookup as ``lookup`` returns it, None while there is none.

    Raises LookupFailed when there will be none, KeyError when there is no such lookup.
    """
    found = run("lookups/read_lookup", id=lookup_id)
    if not found:
        raise KeyError(lookup_id)
    row = found[0]
    if row["state"] == "failed":
        retry_after = seconds_till_midnight() if row["error_code"] == "unit_cap" else None
        raise LookupFailed(row["error_message"], code=row["error_code"], retry_after=retry_after)
    if row["state"] != "answered":
        return None
    return _answer(row, "api", row["total_records"], row["units_consumed"], row["remaining_balance"])


def wake(folio: str, subscriber_id: int | None, lookup_id: int) -> None:
    """Tells the lane of a question; with Redis away the sweeper tells it later."""
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
        log.warning("Redis does not take lookup %s (%s): the sweeper will ring", lookup_id, type(error).__name__)


def normal_form(folio_number: str) -> str:
    """The 13 digits of a folio; raises MalformedFolio."""
    digits = re.sub(r"[\s-]", "", str(folio_number))
    if not re.fullmatch(r"[0-9]{13}", digits) or not digits.strip("0"):
        raise MalformedFolio("a folio is 13 digits, with or without dashes, such as 01-3123-045-0670, and not zero")
    return digits


def seconds_till_midnight() -> float:
    """How long it takes until the units of a new New York day may be spent."""
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
