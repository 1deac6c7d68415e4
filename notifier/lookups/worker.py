"""Answers a lookup: calls the county's API if the day's units allow it, stores the answer, and wakes the callers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg
from dramatiq.errors import Retry
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb

from leads.alert import alert
from leads.settings import MissingSetting
from notifier.core.db import pipeline, rows, run, statement, transaction
from notifier.core.errors import OutcomeUnknown, ProviderError, ProviderUnavailable, Refused, Throttled, TooLate
from notifier.core.settings import settings
from notifier.lookups import client
from notifier.lookups.client import RETRY_DELAYS, LookupFailed
from notifier.providers import county_api
from notifier.providers.county_api import Denied
from notifier.providers.http import sending_within

RETRYABLE = (Refused, Throttled, OutcomeUnknown)
#: The maximum time (s) from the claim of a lookup to the start of its API call. The leader requeues a lookup that
#: is still unanswered 10 s after its claim.
SEND_SECONDS = 5.0


@dataclass(frozen=True)
class LookupRequest:
    """A lookup that this process has claimed and may send to the API.

    ``attempt`` is the number of the attempt, counted from 1.
    """

    lookup_id: int
    folio: str
    attempt: int


def answer(folio_number: str, subscriber_id: int | None, lookup_id: int | None) -> None:
    """Answer a lookup, unless another worker has answered or claimed it.

    If ``lookup_id`` is None, request the lookup first. Raises dramatiq's Retry if the API must be called again, and
    LookupFailed if the lookup failed.
    """
    if lookup_id is None:  # another program enqueued the message without inserting a row
        requested = client.request_lookup(folio_number, subscriber_id)
        if requested.lookup_id is None:
            return
        lookup_id = requested.lookup_id
    # Do not call the API after SEND_SECONDS. If this process was frozen for that long, another worker may have claimed
    # the lookup.
    with sending_within(SEND_SECONDS):
        request = _claim(lookup_id)
        if request is not None:
            _ask(request)


def _ask(request: LookupRequest) -> None:
    try:
        found = county_api.official_records(request.folio)
    except TooLate:
        return
    except MissingSetting as error:
        _fail(request, ProviderUnavailable(str(error), code="missing_setting"))
    except ProviderError as error:
        if isinstance(error, RETRYABLE) and request.attempt <= len(RETRY_DELAYS):
            _retry(request, error)
        _fail(request, error)
    else:
        _store(request, found)


def _claim(lookup_id: int) -> LookupRequest | None:
    """Claim the lookup and reserve a unit for it.

    Returns None if the API must not be called, or if no call is needed.
    """
    cap = settings.miami_dade_daily_unit_cap
    subscriber_cap = settings.miami_dade_subscriber_unit_cap
    claimed = run("lookups/claim_lookup", id=lookup_id, cap=cap, subscriber_cap=subscriber_cap)
    if not claimed or claimed[0]["is_too_old"]:  # the leader marks the lookup as failed
        return None
    row = claimed[0]
    if row["is_reserved"]:
        return LookupRequest(row["id"], row["folio_number"], row["attempts"])
    if row["known_id"] is not None:
        run("lookups/finish_lookup", **_end(lookup_id, "answered", known_id=row["known_id"]))
        return None
    if row["is_over_subscriber_cap"]:
        message = f"the subscriber's {subscriber_cap} units for the day are used"
        run("lookups/finish_lookup", **_end(lookup_id, "failed", code="subscriber_unit_cap", message=message))
        return None
    message = f"the day's {cap} units are used"
    run("lookups/finish_lookup", **_end(lookup_id, "failed", code="unit_cap", message=message))
    alert(
        "warning",
        "The day's units of the county's API are used up",
        f"{message}. Until midnight in New York, lookups fail if the stored property is missing or old.",
        "Raise MIAMI_DADE_DAILY_UNIT_CAP (and today's api_unit_budget.cap) if the cap is too low.",
    )
    return None


def _store(request: LookupRequest, found: county_api.Answer) -> None:
    status = "success" if found.rows else "no_data"
    call = _call(request, status, found.balance, found.rows, give_back=False)
    end = _end(request.lookup_id, "answered", records=found.rows, balance=found.balance, charged=True)
    with pipeline() as connection:
        connection.execute("SELECT store_api_records(%s, %s)", (request.folio, Jsonb(found.records)))
        crossed = connection.cursor(row_factory=dict_row).execute(statement("lookups/record_county_call"), call)
        connection.execute(statement("lookups/finish_lookup"), end)
    _alert_on_balance(crossed.fetchall(), found.balance)


def _retry(request: LookupRequest, error: ProviderError) -> None:
    """Requeue the lookup for its next call to the API. Always raises Retry."""
    delay = RETRY_DELAYS[request.attempt - 1] * settings.notifier_time_scale
    give_back = _costs_nothing(error)
    with transaction() as cursor:
        call = _call(request, error.code or type(error).__name__, None, None, give_back=give_back)
        rows(cursor, "lookups/record_county_call", **call)
        cursor.execute(
            statement("lookups/requeue_lookup"),
            {
                "id": request.lookup_id,
                "delay": delay,
                "code": error.code,
                "message": str(error)[:500],
                "give_back": give_back,
            },
        )
    raise Retry(str(error), delay=round(delay * 1000)) from None


def _fail(request: LookupRequest, error: ProviderError) -> None:
    """Mark the lookup as failed. Always raises LookupFailed."""
    give_back = _costs_nothing(error)
    balance = error.balance if isinstance(error, Denied) else None
    with transaction() as cursor:
        call = _call(request, error.code or "failed", balance, None, give_back=give_back)
        crossed = rows(cursor, "lookups/record_county_call", **call)
        end = _end(request.lookup_id, "failed", code=error.code, message=str(error)[:500], give_back=give_back)
        rows(cursor, "lookups/finish_lookup", **end)
    _alert_on_balance(crossed, balance)
    if isinstance(error, ProviderUnavailable):
        alert(
            "critical",
            "The county's API refuses every lookup",
            f"{error}.",
            "Check MIAMI_DADE_AUTH_KEY, the registered address of this machine, and the units of the account.",
        )
    raise LookupFailed(str(error), code=error.code or "failed") from None


def _costs_nothing(error: ProviderError) -> bool:
    """Return whether the reserved unit is returned to the budget.

    If the outcome of the call is unknown, the unit counts as used.
    """
    return not isinstance(error, OutcomeUnknown)


def _call(
    request: LookupRequest, status: str, balance: int | None, records: int | None, *, give_back: bool
) -> dict[str, Any]:
    """Return the parameters for ``record_county_call.sql``."""
    return {
        "id": request.lookup_id,
        "status": status,
        "balance": balance,
        "records": records,
        "give_back": give_back,
    }


def _end(
    lookup_id: int,
    state: str,
    *,
    code: str | None = None,
    message: str | None = None,
    records: int | None = None,
    balance: int | None = None,
    known_id: int | None = None,
    charged: bool = False,
    give_back: bool = False,
) -> dict[str, Any]:
    """Return the parameters for ``finish_lookup.sql``."""
    return {
        "id": lookup_id,
        "state": state,
        "code": code,
        "message": message,
        "records": records,
        "balance": balance,
        "known_id": known_id,
        "charged": charged,
        "give_back": give_back,
    }


def _alert_on_balance(crossed: list[DictRow], balance: int | None) -> None:
    for level in (level for level in crossed if level["is_below"]):
        alert(
            level["severity"],
            f"Fewer than {level['below']} units of the county's API are left",
            f"{balance} units are left.",
            "Buy units on the Clerk's developer page. Without units, lookups fail.",
            cause=f"units below {level['below']}, time {level['crossings']}",
        )


def sweep(cursor: psycopg.Cursor[DictRow]) -> None:
    """Resend lookup messages that were lost. If no worker claimed a lookup in time, mark it as failed.

    No call was made for a lookup that waited in a paused queue until it was too old. It fails with its own code.
    """
    for row in rows(cursor, "lookups/sweep_lookups", retries=len(RETRY_DELAYS)):
        if row["is_due"]:
            client.wake(row["folio_number"], row["subscriber_id"], row["id"])
        else:
            if row["is_paused"]:
                end = _end(row["id"], "failed", code=client.PAUSED, message="an operator has paused property lookups")
            else:
                end = _end(row["id"], "failed", code="too_old", message="no worker answered it in time")
            rows(cursor, "lookups/finish_lookup", **end)
