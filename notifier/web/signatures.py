"""Checks the signatures of callbacks. A body is verified before any part of it is stored or logged.

A wrong, malformed or missing signature always gets a 403. If a signature header cannot have come from the provider, the
request is refused before the body is read. The verification runs in a thread, and its duration is proportional to the
body's size.
"""

from __future__ import annotations

import re
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

#: The maximum number of fields in a form. Twilio sends fewer than 60.
TWILIO_FIELDS = 250
#: The form of Twilio's signature: 20 bytes in base64.
_TWILIO_SIGNATURE = re.compile(r"[A-Za-z0-9+/]{27}=")
#: The form of SendGrid's signature: an ECDSA signature in base64.
_SENDGRID_SIGNATURE = re.compile(r"(?:[A-Za-z0-9+/]{4}){2,49}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
#: A signed request is valid for this many seconds. This limit prevents a later replay of a recorded request.
SENDGRID_AGE = 300

FORGED = HTTPException(403, "the signature is not the provider's")

#: The fields in a form that Twilio posted.
Form = ImmutableMultiDict[str, str]


class _Fields(dict[str, list[str]]):
    """The fields by name, in a structure that RequestValidator reads in linear time."""

    getlist = dict.__getitem__


async def twilio_body(request: Request) -> bytes:
    """Return the raw body.

    Responds with 403 without reading the body if the signature header cannot have come from Twilio.
    """
    if not _TWILIO_SIGNATURE.fullmatch(twilio_signature(request)):
        raise FORGED
    return await request.body()


def twilio_signature(request: Request) -> str:
    """Return the signature header of a request."""
    return request.headers.get("x-twilio-signature", "")


def twilio_form(request: Request, body: Annotated[bytes, Depends(twilio_body)]) -> Form:
    """Return the form fields if Twilio signed the request for our public URL. Otherwise, responds with 403."""
    try:
        pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=TWILIO_FIELDS)
    except ValueError:
        raise FORGED from None
    fields = _Fields()
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    # Twilio signs the URL and the fields as one string. If every field name starts with a letter, the end of the URL
    # cannot be read as the start of a field. For example, ?delivery_id=11 cannot be read as ?delivery_id=1 followed by
    # a field whose name starts with "1".
    if not all(name[:1].isalpha() for name in fields):
        raise FORGED
    validator = RequestValidator(settings.twilio_auth_token.get_secret_value())
    if not validator.validate(_signed_address(request), fields, twilio_signature(request)):
        raise FORGED
    # Remove NUL characters only after the verification. The signature covers NUL characters, but PostgreSQL cannot
    # store them.
    return ImmutableMultiDict([(name.replace("\0", ""), value.replace("\0", "")) for name, value in pairs])


def _signed_address(request: Request) -> str:
    """Return the URL that Twilio signed: our public URL, with the request's path and query unchanged.

    A proxy may have changed the host and the scheme of this request.
    """
    address = settings.api_url.rstrip("/") + request.scope["raw_path"].decode("latin-1")
    query = request.scope["query_string"].decode("latin-1")
    return f"{address}?{query}" if query else address


async def sendgrid_timestamp(request: Request) -> str:
    """Return the timestamp of a request from SendGrid.

    Responds with 403 if SendGrid cannot have sent these headers within the last five minutes.
    """
    _sendgrid_verifier(settings.sendgrid_webhook_public_key.get_secret_value())
    timestamp = request.headers.get(EventWebhookHeader.TIMESTAMP, "")
    has_form = re.fullmatch(r"[0-9]{1,12}", timestamp) and _SENDGRID_SIGNATURE.fullmatch(_sendgrid_signature(request))
    if not has_form or abs(time.time() - int(timestamp)) > SENDGRID_AGE:
        raise FORGED
    return timestamp


async def sendgrid_raw(request: Request, timestamp: Annotated[str, Depends(sendgrid_timestamp)]) -> bytes:
    """Return the raw body. The headers have already been checked."""
    return await request.body()


def sendgrid_body(
    request: Request,
    timestamp: Annotated[str, Depends(sendgrid_timestamp)],
    body: Annotated[bytes, Depends(sendgrid_raw)],
) -> bytes:
    """Return the raw body if SendGrid signed it together with the timestamp. Otherwise, responds with 403."""
    verifier = _sendgrid_verifier(settings.sendgrid_webhook_public_key.get_secret_value())
    try:
        genuine = verifier.verify_signature(body.decode("utf-8"), _sendgrid_signature(request), timestamp)
    except UnicodeDecodeError:
        genuine = False
    if not genuine:
        raise FORGED
    return body


def _sendgrid_signature(request: Request) -> str:
    return request.headers.get(EventWebhookHeader.SIGNATURE, "")


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
