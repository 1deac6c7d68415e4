"""Reads Twilio's records of SMS messages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.rest.api.v2010.account.message import MessageInstance

from notifier.core.errors import Refused
from notifier.providers.twilio import client, translated_errors

#: The maximum number of SMS messages that a search reads. A search finds recent SMS messages to one number.
LIMIT = 50


@dataclass(frozen=True)
class SmsRecord:
    """Twilio's record of an SMS."""

    sid: str
    status: str
    body: str
    created_at: datetime | None
    error_code: str | None


def fetch_sms(sid: str) -> SmsRecord:
    """Return the record of an SMS. Raises a ProviderError if the request fails or Twilio has no record."""
    with _translated_errors():
        return _record(client().messages(sid).fetch())


def find_sms(recipient: str) -> list[SmsRecord]:
    """Return the latest SMS messages to a number.

    Twilio may list a new SMS only after a delay. Raises a ProviderError.
    """
    with _translated_errors():
        return [_record(found) for found in client().messages.list(to=recipient, limit=LIMIT)]


@contextmanager
def _translated_errors() -> Iterator[None]:
    with translated_errors():
        try:
            yield
        except TwilioRestException:
            raise
        except TwilioException:  # the package reports no status for a failed list request
            raise Refused("Twilio does not list its SMS", code="list") from None


def _record(found: MessageInstance) -> SmsRecord:
    code = str(found.error_code) if found.error_code else None
    return SmsRecord(str(found.sid), str(found.status), found.body or "", found.date_created, code)
