"""``POST /twilio/sms/inbound``: receives STOP, START and HELP, and the other keywords that carriers require."""

from __future__ import annotations

import hashlib
import re
import unicodedata

from fastapi import APIRouter, Request, Response
from twilio.twiml.messaging_response import MessagingResponse

from notifier.core.db import rows, transaction
from notifier.core.phone_numbers import e164, is_allowed
from notifier.messages import links
from notifier.web.signatures import Form, TwilioForm, twilio_signature
from notifier.web.twilio_status import word

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
def sms_inbound(request: Request, form: TwilioForm) -> Response:
    """On STOP, suppress SMS messages and calls to the sender's number.

    On START, allow them again. Each inbound SMS has an effect only once.
    """
    keyword, sender = _keyword(form.get("Body", "")), e164(word(form, "From"))
    answer = MessagingResponse()
    if keyword and sender:
        if keyword != "help":
            with transaction() as cursor:
                rows(cursor, f"web/sms_{keyword}", keys=_keys(request, form, keyword), number=sender)
        # If the form has OptOutType, Twilio has already answered the sender.
        if not form.get("OptOutType") and is_allowed(sender) and _may_answer(form, keyword, sender):
            answer.message(ANSWERS[keyword])
    return Response(str(answer), media_type="text/xml")


def _keys(request: Request, form: Form, keyword: str) -> list[str]:
    """Return the keys that identify an inbound SMS: its signature, and its SID if it has one.

    An attacker can divide a recorded request into different fields, for example without the SID, and the signature
    stays valid. The signature therefore identifies the request, however the request is divided.
    """
    signature = hashlib.sha256(twilio_signature(request).encode()).hexdigest()
    sid = word(form, "MessageSid", "SmsSid")
    return [f"{mark}:{keyword}" for mark in (sid, f"signature-{signature}") if mark]


def _may_answer(form: Form, keyword: str, sender: str) -> bool:
    """Return whether the sender gets an answer.

    Each answer costs money, so a sender gets at most one answer per hour for the same keyword.
    """
    mark = links.mark("sms_answer", f"{sender}:{keyword}")
    with transaction() as cursor:
        return bool(rows(cursor, "web/may_answer_sms", mark=mark, sid=word(form, "MessageSid", "SmsSid") or None))


def _keyword(body: str) -> str | None:
    """Return the keyword if the whole SMS or its first line is a keyword.

    Some phones add a signature below the first line.
    """
    # Some phones send full-width letters.
    written = re.sub(r"[^\w\s]", " ", unicodedata.normalize("NFKC", body)).upper().strip()
    texts = (" ".join(part.split()) for part in (written, written.partition("\n")[0]))
    return next((keyword for text in texts for keyword, variants in KEYWORDS.items() if text in variants), None)
