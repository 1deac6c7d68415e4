"""Twilio: texts and calls. What its codes mean is data; a code that is not listed counts as its HTTP class says."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import requests
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client
from twilio.rest.api.v2010.account.call import CallInstance

from leads import settings
from notifier.core.errors import PermanentFailure, ProviderError, ProviderUnavailable, Throttled
from notifier.core.pricing import RING_SECONDS
from notifier.core.queues import SMS, VOICE
from notifier.providers.http import lost, pooled, refusal, throttled

# The package logs whole requests, numbers and texts included.
logging.getLogger("twilio.http_client").setLevel(logging.WARNING)

#: The recipient wants silence (https://www.twilio.com/docs/api/errors).
SUPPRESSING = {21610}
#: Not this message's fault: credentials, sender or account.
PROVIDER_WIDE = {20003, 20005, 21606, 30002, 30034}
THROTTLING = {20429, 14107}


def send_sms(delivery_id: int, recipient: str, body: str, *, seconds: int | None = None) -> str:
    """Sends one text, worthless after ``seconds``; returns its sid.

    Raises the errors of ``notifier.core.errors``, or MissingSetting.
    """
    with _meaning():
        message = _client().messages.create(
            to=recipient,
            from_=settings.text("TWILIO_SMS_NUMBER"),
            body=body,
            **({"validity_period": seconds} if seconds else {}),
            **({"status_callback": _callback("sms/status", delivery_id)} if settings.text("API_URL", "") else {}),
        )
    return str(message.sid)


def start_call(delivery_id: int, recipient: str, sender: str, minutes: int) -> str:
    """Starts a call that lasts ``minutes`` at most; returns its sid while it does not ring yet. Raises as above.

    What is said on it Twilio asks of ``API_URL``, after it has found out whether a person or a machine answered, and
    for a machine after its beep.
    """
    with _meaning():
        call = _client().calls.create(
            to=recipient,
            from_=sender,
            url=f"{settings.text('API_URL').rstrip('/')}/twilio/voice/outbound?delivery_id={delivery_id}",
            status_callback=_callback("voice/status", delivery_id),
            status_callback_event=["initiated", "ringing", "answered", "completed"],
            timeout=RING_SECONDS,
            machine_detection="DetectMessageEnd",
            time_limit=60 * minutes,
        )
    return str(call.sid)


def fetch_call(sid: str) -> CallInstance | None:
    """The call as Twilio knows it; None when it knows of none. Raises the errors of ``notifier.core.errors``."""
    try:
        with _meaning():
            return _client().calls(sid).fetch()
    except PermanentFailure:
        return None


def find_calls(recipient: str, sender: str, since: datetime) -> list[CallInstance]:
    """The calls between two numbers that were made from ``since`` on. That there is none proves nothing."""
    with _meaning():
        # Twilio compares days only.
        found = _client().calls.list(to=recipient, from_=sender, start_time_after=since - timedelta(days=1), limit=50)
    return [call for call in found if call.date_created is None or call.date_created >= since]


@contextmanager
def _meaning() -> Iterator[None]:
    """Says what an exception of the package means for what is sent."""
    try:
        yield
    except TwilioRestException as error:
        raise _error(error) from None
    except requests.RequestException as error:
        raise lost(error) from None


def _callback(what: str, delivery_id: int) -> str:
    """Where Twilio tells what became of a delivery. After the #: it tries five times, whatever went wrong."""
    return f"{settings.text('API_URL').rstrip('/')}/twilio/{what}?delivery_id={delivery_id}#rc=5&rp=all"


def _error(error: TwilioRestException) -> ProviderError:
    code = int(error.code or 0)
    # The sentence that comes with it quotes the number.
    message = f"Twilio answered {error.status}" + (f" with code {code}" if code else "")
    if code in SUPPRESSING:
        return PermanentFailure(message, code=str(code), suppress=True)
    if code in THROTTLING:
        return Throttled(message, code=str(code))
    if code in PROVIDER_WIDE:
        return ProviderUnavailable(message, code=str(code))
    text = str(code) if code else f"http_{error.status}"
    return refusal(error.status, message, text, None) or PermanentFailure(message, code=text)


class _Http(TwilioHttpClient):  # type: ignore[misc]
    """Tells how long Twilio wants us to wait, which the package's exception does not."""

    def request(self, *args: Any, **kwargs: Any) -> Any:
        response = super().request(*args, **kwargs)
        if response.status_code == 429:
            raise throttled("Twilio answered 429", "http_429", (response.headers or {}).get("Retry-After"))
        return response


@cache
def _client() -> Client:
    http = _Http(timeout=settings.provider_timeout(), pool_connections=True)
    pooled(http.session, SMS.concurrency + VOICE.concurrency)
    client = Client(settings.text("TWILIO_ACCOUNT_SID"), settings.text("TWILIO_AUTH_TOKEN"), http_client=http)
    if address := settings.text("TWILIO_API_URL", ""):
        client.api.base_url = address
    return client
