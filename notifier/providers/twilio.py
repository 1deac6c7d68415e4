"""Twilio: texts. What its codes mean is data; a code that is not listed counts as its HTTP class says."""

from __future__ import annotations

import logging
from functools import cache

import requests
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from leads import settings
from notifier.errors import Permanent, ProviderError, ProviderWide, Throttled
from notifier.lanes import SMS
from notifier.providers.http import lost, pooled, refusal

# The package logs whole requests, numbers and texts included.
logging.getLogger("twilio.http_client").setLevel(logging.WARNING)

#: The recipient wants silence (https://www.twilio.com/docs/api/errors).
SUPPRESSING = {21610}
#: Not this message's fault: credentials, sender or account.
PROVIDER_WIDE = {20003, 20005, 21606, 30002, 30034}
THROTTLING = {20429, 14107}


def send_sms(delivery_id: int, recipient: str, body: str) -> str:
    """Sends one text; returns its sid. Raises the errors of ``notifier.errors``, or MissingSetting."""
    callback = settings.text("API_URL", "")
    try:
        message = _client().messages.create(
            to=recipient,
            from_=settings.text("TWILIO_SMS_NUMBER"),
            body=body,
            **({"status_callback": f"{callback}/twilio/sms/status?delivery_id={delivery_id}"} if callback else {}),
        )
    except TwilioRestException as error:
        raise _error(error) from None
    except requests.RequestException as error:
        raise lost(error) from None
    return str(message.sid)


def _error(error: TwilioRestException) -> ProviderError:
    code = int(error.code or 0)
    # The sentence that comes with it quotes the number.
    message = f"Twilio answered {error.status}" + (f" with code {code}" if code else "")
    if code in SUPPRESSING:
        return Permanent(message, code=str(code), suppress=True)
    if code in THROTTLING:
        return Throttled(message, code=str(code))
    if code in PROVIDER_WIDE:
        return ProviderWide(message, code=str(code))
    text = str(code) if code else f"http_{error.status}"
    return refusal(error.status, message, text, None) or Permanent(message, code=text)


@cache
def _client() -> Client:
    http = TwilioHttpClient(timeout=settings.provider_timeout(), pool_connections=True)
    pooled(http.session, SMS.concurrency)
    client = Client(settings.text("TWILIO_ACCOUNT_SID"), settings.text("TWILIO_AUTH_TOKEN"), http_client=http)
    if address := settings.text("TWILIO_API_URL", ""):
        client.api.base_url = address
    return client
