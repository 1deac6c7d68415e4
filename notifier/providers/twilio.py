"""Sends SMS messages and starts calls through Twilio.

This module declares the meanings of some error codes as data. For other codes, the HTTP status determines the meaning.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from twilio.base.exceptions import TwilioRestException
from twilio.http import HttpClient
from twilio.http.response import Response
from twilio.rest import Client

from notifier.core.errors import PermanentFailure, ProviderError, ProviderUnavailable, Throttled
from notifier.core.pricing import RING_SECONDS
from notifier.core.queues import SMS, VOICE
from notifier.core.settings import settings
from notifier.providers.http import CONNECT_TIMEOUT, exchange, pooled_session, refusal, throttled

#: The error codes for a recipient who has opted out (https://www.twilio.com/docs/api/errors).
OPTED_OUT = {21610}
#: The error codes for a problem with the credentials, the sender or the account. Until the problem is solved, every
#: request fails.
UNAVAILABLE = {20003, 20005, 21606, 30002, 30034}
THROTTLED = {20429, 14107}
#: The error codes for an SMS that was not delivered because of its sender. Other SMS messages from the same sender will
#: also fail. Possible causes are a suspended account, a carrier's filter, or a number that is not verified or
#: registered (https://www.twilio.com/docs/api/errors).
SENDER_AT_FAULT = {30002, 30007, 30032, 30033, 30034, 30035}


def send_sms(delivery_id: int, recipient: str, text: str, *, seconds: int | None = None) -> str:
    """Send an SMS. Returns the SID.

    If ``seconds`` is given, Twilio drops the SMS if it is still in Twilio's queue after that many seconds. Raises a
    ProviderError, or MissingSetting.
    """
    with translated_errors():
        created = client().messages.create(
            to=recipient,
            body=text,
            **_sender(),
            **({"validity_period": seconds} if seconds else {}),
            **({"status_callback": _callback("sms/status", delivery_id)} if settings.is_set("api_url") else {}),
        )
    return str(created.sid)


def sms_sender() -> str:
    """Return the SID of the messaging service that sends SMS messages, or the sender's number if there is no service.

    Raises MissingSetting if neither is set.
    """
    return settings.twilio_messaging_service_sid or settings.twilio_sms_number


def _sender() -> dict[str, str]:
    sender = sms_sender()
    return {"messaging_service_sid" if sender == settings.twilio_messaging_service_sid else "from_": sender}


def start_call(delivery_id: int, recipient: str, sender: str, minutes: int) -> str:
    """Start a call of at most ``minutes`` minutes. Returns the call's SID before the phone rings.

    When a person answers, or after an answering machine's beep, Twilio asks the web service at ``API_URL`` what to say.
    Raises a ProviderError, or MissingSetting.
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
    """Translate exceptions from Twilio's package into ProviderErrors."""
    try:
        yield
    except TwilioRestException as error:
        raise _error(error) from None


def _callback(path: str, delivery_id: int) -> str:
    """Return the callback URL for a delivery. The URL's fragment makes Twilio retry a failed callback five times."""
    return f"{settings.api_url.rstrip('/')}/twilio/{path}?delivery_id={delivery_id}#rc=5&rp=all"


def _error(error: TwilioRestException) -> ProviderError:
    code = int(error.code or 0)
    # Do not use Twilio's error message, because it quotes the phone number.
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
    """An HTTP client for Twilio's package that uses our own session.

    The package's own client has a smaller pool, logs phone numbers, and drops the header Retry-After.
    """

    def __init__(self, connections: int, timeout: float) -> None:
        """Make a client that waits at most ``timeout`` seconds for a complete answer."""
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
        """Send a request.

        Raises Throttled for status 429, and Refused or OutcomeUnknown in the same cases as ``exchange``.
        """
        limits = (CONNECT_TIMEOUT, timeout or self.timeout)
        answer = exchange(
            self._session,
            method.upper(),
            uri,
            params=params,
            data=data,
            headers=headers,
            auth=auth,
            timeout=limits,
        )
        if answer.status_code == 429:
            raise throttled("Twilio answered 429", "http_429", answer.headers.get("Retry-After"))
        return Response(answer.status_code, answer.text, answer.headers)


@cache
def client() -> Client:
    """Return the client for the configured account, which all threads share. Raises MissingSetting."""
    http = PooledHttpClient(SMS.concurrency + VOICE.concurrency, settings.provider_timeout_seconds)
    made = Client(settings.twilio_account_sid, settings.twilio_auth_token.get_secret_value(), http_client=http)
    if address := settings.twilio_api_url:
        made.api.base_url = address
    return made
