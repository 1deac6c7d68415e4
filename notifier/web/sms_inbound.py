"""``POST /twilio/sms/inbound``: STOP, START and HELP, in the words that carriers require."""

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
    "stop": "You are unsubscribed and will get no more messages or calls from us. Reply START to get them again.",
    "start": "You will get lead alerts from us again. Reply HELP for help, STOP to end.",
    "help": "Lead alerts of Miami-Dade public records. Settings are in the app. Msg & data rates may apply."
    " Reply STOP to end.",
}


@router.post("/inbound")
def sms_inbound(form: TwilioForm) -> Response:
    """STOP silences texts and calls to the sender's number, START lifts that; both count once a message."""
    word, sender = _keyword(form.get("Body", "")), e164(form.get("From"))
    answer = MessagingResponse()
    if word and sender:
        if word != "help":
            with transaction() as cursor:
                rows(cursor, f"web/sms_{word}", sid=form.get("MessageSid") or uuid4().hex, number=sender)
        # With OptOutType Twilio has answered for us; twice would be one too many.
        if not form.get("OptOutType"):
            answer.message(ANSWERS[word])
    return Response(str(answer), media_type="text/xml")


def _keyword(body: str) -> str | None:
    said = " ".join(re.sub(r"[^\w\s]", " ", body).upper().split())
    return next((word for word, family in KEYWORDS.items() if said in family), None)
