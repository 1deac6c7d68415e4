"""Twilio: send SMS and start calls. The meaning of its codes is data; other codes mean what their HTTP status means."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import requests
from twilio.base.exceptions import TwilioRestException
from twilio.http import HttpClient
from twilio.http.response import Response
from twilio.rest import Client

from notifier.core.errors import PermanentFailure, ProviderError, ProviderUnavailable, Throttled
from notifier.core.pricing import RING_SECONDS
from notifier.core.queues import SMS, VOICE
from notifier.core.settings import settings
from notifier.providers.http import broken_exchange, pooled_session, refusal, throttled

#: The recipient has opted out (https://www.twilio.com/docs/api/errors).
OPTED_OUT = {21610}
#: The credentials, the sender or the account is at fault, so every request fails.
UNAVAILABLE = {20003, 20005, 21606, 30002, 30034}
THROTTLED = {20429, 14107}


def send_sms(delivery_id: int, recipient: str, text: str, *, seconds: int | None = None) -> str:
    """Send one SMS, which Twilio may drop after ``seconds``. Returns its SID.

    Raises a ProviderError, or MissingSetting.
    """
    with translated_errors():
        created = client().messages.create(
            to=recipient,
            from_=settings.twilio_sms_number,
            body=text,
            **({"validity_period": seconds} if seconds else {}),
            **({"status_callback": _callback("sms/status", delivery_id)} if settings.is_set("api_url") else {}),
        )
    return str(created.sid)


def start_call(delivery_id: int, recipient: str, sender: str, minutes: int) -> str:
    """Start a call of at most ``minutes``. Returns its SID before the phone rings.

    Twilio requests what to say from ``API_URL`` once it knows whether a person or a machine answered; for a machine,
    after its beep. Raises a ProviderError, or MissingSetting.
    """
    with translated_errors():
        call = client().calls.create(
            to=recipient,
            from_=sender,
            url=f"{settings.api_url.rstrip('/')}/twilio/voice/outbound?delivery_id={delivery_id}",
            status_callback=_callback("voice/status", delivery_id),
            status_callback_event=["initiated", "ringing", "answered", "completed"],
            timeout=RING_SECONDS,
            machine_detection="DetectMessageEnd",
            time_limit=60 * minutes,
        )
    return str(call.sid)


@contextmanager
def translated_errors() -> Iterator[None]:
    """Raise an exception of Twilio's package or of its HTTP exchange as the ProviderError that it means."""
    try:
        yield
    except TwilioRestException as error:
        raise _error(error) from None
    except requests.RequestException as error:
        raise broken_exchange(error) from None


def _callback(path: str, delivery_id: int) -> str:
    """Return the address to which Twilio reports on a delivery. Its fragment asks for five retries of any failure."""
    return f"{settings.api_url.rstrip('/')}/twilio/{path}?delivery_id={delivery_id}#rc=5&rp=all"


def _error(error: TwilioRestException) -> ProviderError:
    code = int(error.code or 0)
    # Twilio's own sentence quotes the phone number.
    message = f"Twilio answered {error.status}" + (f" with code {code}" if code else "")
    if code in OPTED_OUT:
        return PermanentFailure(message, code=str(code), suppress=True)
    if code in THROTTLED:
        return Throttled(message, code=str(code))
    if code in UNAVAILABLE:
        return ProviderUnavailable(message, code=str(code))
    text = str(code) if code else f"http_{error.status}"
    return refusal(error.status, message, text, None) or PermanentFailure(message, code=text)


class PooledHttpClient(HttpClient):  # type: ignore[misc]
    """Twilio's interface for HTTP over our own session.

    The package's client has a smaller pool, logs phone numbers, and drops the header that says how long to wait.
    """

    def __init__(self, connections: int, timeout: float) -> None:
        """``timeout`` is in seconds, for the connection and for each read."""
        super().__init__(logging.getLogger(__name__), is_async=False, timeout=timeout)
        self._session = pooled_session(connections)

    def request(
        self,
        method: str,
        uri: str,
        params: dict[str, Any] | None = None,
        data: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Response:
        """Send one request; raises Throttled for a 429, and requests.RequestException."""
        answer = self._session.request(
            method.upper(),
            uri,
            params=params,
            data=data,
            headers=headers,
            auth=auth,
            timeout=timeout or self.timeout,
            allow_redirects=allow_redirects,
        )
        if answer.status_code == 429:
            raise throttled("Twilio answered 429", "http_429", answer.headers.get("Retry-After"))
        return Response(answer.status_code, answer.text, answer.headers)


@cache
def client() -> Client:
    """Return the process's client for the configured account; raises MissingSetting."""
    http = PooledHttpClient(SMS.concurrency + VOICE.concurrency, settings.provider_timeout_seconds)
    made = Client(settings.twilio_account_sid, settings.twilio_auth_token.get_secret_value(), http_client=http)
    if address := settings.twilio_api_url:
        made.api.base_url = address
    return made
