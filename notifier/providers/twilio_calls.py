"""Reads Twilio's records of calls."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from twilio.rest.api.v2010.account.call import CallInstance

from notifier.core.errors import PermanentFailure
from notifier.core.phone_numbers import e164
from notifier.providers.twilio import client, translated_errors

#: The maximum number of calls that a search reads. A search finds recent calls between two numbers.
LIMIT = 50


@dataclass(frozen=True)
class CallRecord:
    """Twilio's record of a call. ``duration`` is in seconds, and is empty until the call ends. Numbers are in E.164."""

    sid: str
    status: str
    recipient: str
    sender: str
    duration: str
    answered_by: str | None
    created_at: datetime | None


def fetch_call(sid: str) -> CallRecord | None:
    """Return the record of a call, or None if Twilio has no record. Raises a ProviderError."""
    try:
        with translated_errors():
            return _record(client().calls(sid).fetch())
    except PermanentFailure:
        return None


def find_calls(recipient: str, sender: str, since: datetime) -> list[CallRecord]:
    """Return the calls between two numbers since ``since``. An empty list does not prove that there was no call."""
    # Twilio ignores the time of day in this filter, so search from the previous day.
    day_before = since - timedelta(days=1)
    with translated_errors():
        found = client().calls.list(to=recipient, from_=sender, start_time_after=day_before, limit=LIMIT)
    calls = [_record(call) for call in found]
    return [call for call in calls if call.created_at is None or call.created_at >= since]


def _record(call: CallInstance) -> CallRecord:
    # Twilio's package has only one public attribute for the caller's number, which returns the number in a display
    # format.
    caller = str(call.from_formatted or "")
    return CallRecord(
        str(call.sid),
        str(call.status),
        str(call.to),
        e164(caller) or caller,
        str(call.duration or ""),
        call.answered_by,
        call.date_created,
    )
