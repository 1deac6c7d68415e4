"""Signatures of callbacks: a body is verified before any part of it is parsed, stored or logged.

A wrong, malformed or missing signature always gets a 403. A body that is too large gets a 413.
"""

from __future__ import annotations

import binascii
import time
from functools import cache
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Depends, HTTPException, Request
from sendgrid.helpers.eventwebhook import EventWebhook
from sendgrid.helpers.eventwebhook.eventwebhook_header import EventWebhookHeader
from starlette.datastructures import ImmutableMultiDict
from twilio.request_validator import RequestValidator

from leads.settings import MissingSetting
from notifier.core.settings import settings

TWILIO_BYTES = 64 * 1024
#: SendGrid posts batches of up to about one megabyte.
SENDGRID_BYTES = 4 * 1024 * 1024
#: Time (s) for which a signed request is valid, so that nobody can replay a recorded request later.
SENDGRID_AGE = 300

FORGED = HTTPException(403, "the signature is not the provider's")

#: The fields in a form that Twilio posted.
Form = ImmutableMultiDict[str, str]


async def read_body(request: Request, limit: int) -> bytes:
    """Return the raw body; answer 413 as soon as the body exceeds ``limit`` bytes."""
    declared = request.headers.get("content-length", "0")
    body = bytearray()
    if not declared.isdigit() or int(declared) <= limit:
        async for part in request.stream():
            body += part
            if len(body) > limit:
                break
        else:
            return bytes(body)
    raise HTTPException(413, f"the body may have at most {limit} bytes")


async def twilio_form(request: Request) -> Form:
    """Return the form fields if Twilio signed the request for our public address; otherwise answer 403."""
    text = (await read_body(request, TWILIO_BYTES)).decode("utf-8", "replace")
    pairs = parse_qsl(text, keep_blank_values=True)
    # Verify with the URL that we gave Twilio, because a proxy may have changed the URL of this request.
    address = settings.api_url.rstrip("/") + request.url.path
    if request.url.query:
        address += f"?{request.url.query}"
    validator = RequestValidator(settings.twilio_auth_token.get_secret_value())
    if not validator.validate(address, ImmutableMultiDict(pairs), request.headers.get("x-twilio-signature", "")):
        raise FORGED
    # Remove NUL after the verification: the signature covers NUL characters, but PostgreSQL cannot store them.
    return ImmutableMultiDict([(name.replace("\0", ""), value.replace("\0", "")) for name, value in pairs])


async def sendgrid_body(request: Request) -> bytes:
    """Return the raw body if SendGrid signed the request within the last five minutes; otherwise answer 403."""
    verifier = _sendgrid_verifier(settings.sendgrid_webhook_public_key.get_secret_value())
    body = await read_body(request, SENDGRID_BYTES)
    signature = request.headers.get(EventWebhookHeader.SIGNATURE, "")
    timestamp = request.headers.get(EventWebhookHeader.TIMESTAMP, "")
    try:
        age = abs(time.time() - int(timestamp))
        genuine = age <= SENDGRID_AGE and verifier.verify_signature(body.decode("utf-8"), signature, timestamp)
    except (ValueError, OverflowError, binascii.Error):
        genuine = False
    if not genuine:
        raise FORGED
    return body


@cache
def _sendgrid_verifier(key: str) -> EventWebhook:
    try:
        return EventWebhook(key)
    except ValueError:
        raise MissingSetting(
            "SENDGRID_WEBHOOK_PUBLIC_KEY is not a public key: copy the verification key of SendGrid's event webhook"
        ) from None


TwilioForm = Annotated[Form, Depends(twilio_form)]
SendGridBody = Annotated[bytes, Depends(sendgrid_body)]
