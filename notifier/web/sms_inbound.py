"""``POST /twilio/sms/inbound``: receives STOP, START and HELP, and the other keywords that carriers require."""

from __future__ import annotations

import re
from uuid import uuid4

from fastapi import APIRouter, Response
from twilio.twiml.messaging_response import MessagingResponse

from notifier.core.db import rows, transaction
from notifier.core.phone_numbers import e164
from notifier.web.signatures import TwilioForm

router = APIRouter(prefix="/twilio/sms")

KEYWORDS = {
    "stop": {"STOP", "STOPALL", "STOP ALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT", "OPT OUT"},
    "start": {"START", "YES", "UNSTOP"},
    "help": {"HELP", "INFO"},
}
ANSWERS = {
    "stop": "You are unsubscribed and will get no more messages or calls from us. Reply START to resubscribe.",
    "start": "You are resubscribed to our lead alerts. Reply HELP for help or STOP to end.",
    "help": "Lead alerts from Miami-Dade public records. Change settings in the app. Msg & data rates may apply."
    " Reply STOP to end.",
}


@router.post("/inbound")
def sms_inbound(form: TwilioForm) -> Response:
    """Suppress SMS and calls to the sender's number on STOP, and allow them on START, once for each inbound SMS."""
    keyword, sender = _keyword(form.get("Body", "")), e164(form.get("From"))
    answer = MessagingResponse()
    if keyword and sender:
        if keyword != "help":
            with transaction() as cursor:
                rows(cursor, f"web/sms_{keyword}", sid=form.get("MessageSid") or uuid4().hex, number=sender)
        # If the form has OptOutType, Twilio has answered the sender already.
        if not form.get("OptOutType"):
            answer.message(ANSWERS[keyword])
    return Response(str(answer), media_type="text/xml")


def _keyword(body: str) -> str | None:
    text = " ".join(re.sub(r"[^\w\s]", " ", body).upper().split())
    return next((keyword for keyword, variants in KEYWORDS.items() if text in variants), None)
