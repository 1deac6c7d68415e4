"""Receives Twilio's reports on SMS messages and calls.

The routes are ``POST /twilio/sms/status``, ``/twilio/voice/status`` and ``/twilio/voice/recording``.

The callback URL contains the delivery's id. A callback therefore identifies its delivery even if it arrives before our
own commit, or if our commit was lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Query, Response

from notifier.deliveries import provider_events
from notifier.deliveries.provider_events import Event
from notifier.voice import reconciliation, session
from notifier.web.background import apply_events
from notifier.web.signatures import Form, TwilioForm

router = APIRouter(prefix="/twilio")

#: The maximum length of an id or a word in a form. Twilio's ids have 34 characters.
MAX_WORD = 64

#: The delivery's id in a callback URL. The type is a string, because FastAPI would respond to a malformed number with
#: an error.
DeliveryId = Annotated[str, Query()]


@router.post("/sms/status")
def sms_status(form: TwilioForm, background: BackgroundTasks, delivery_id: DeliveryId = "") -> Response:
    """Store Twilio's report on an SMS."""
    sid = word(form, "MessageSid", "SmsSid")
    status = word(form, "MessageStatus", "SmsStatus")
    code = word(form, "ErrorCode")
    return _store(background, form, sid, status, delivery_id, {"code": code} if code.isdigit() else {})


@router.post("/voice/status")
def voice_status(form: TwilioForm, background: BackgroundTasks, delivery_id: DeliveryId = "") -> Response:
    """Store Twilio's report on a call, and whether a person answered."""
    sid, status = word(form, "CallSid"), word(form, "CallStatus")
    details = reconciliation.event(status, sid, delivery(delivery_id), word(form, "CallDuration")).details
    answer = _store(background, form, sid, status, delivery_id, details)
    if sid and form.get("AnsweredBy") == "human":
        session.human_answered(sid, delivery(delivery_id))
    return answer


@router.post("/voice/recording")
def voice_recording(form: TwilioForm, background: BackgroundTasks, delivery_id: DeliveryId = "") -> Response:
    """Store the recording's SID. The recording stays with Twilio, and can be opened only with the account's key."""
    recording, status = word(form, "RecordingSid"), word(form, "RecordingStatus")
    if not (recording and status):
        return Response(status_code=204)
    event = Event(
        f"recording-{status}",
        f"{recording}:{status}",
        delivery(delivery_id),
        word(form, "CallSid") or None,
        _moment(form),
        {"recording": recording, "recording_seconds": word(form, "RecordingDuration")},
    )
    if provider_events.store("twilio", [event]):
        background.add_task(apply_events)
    return Response(status_code=204)


def _store(
    background: BackgroundTasks, form: Form, sid: str, status: str, delivery_id: str, details: Mapping[str, str | int]
) -> Response:
    """Store the event once, and apply it after the response."""
    if sid and status:
        event = Event(status, f"{sid}:{status}", delivery(delivery_id), sid, _moment(form), details)
        if provider_events.store("twilio", [event]):
            background.add_task(apply_events)
    return Response(status_code=204)


def delivery(text: str) -> int | None:
    """Return the delivery's id from the string in a callback URL, or None if the string is malformed."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def word(form: Form, *names: str) -> str:
    """Return the value of the first of these fields that is not empty.

    Returns an empty string if the value cannot be an id or a word. A string that is longer than the limit is not one of
    Twilio's ids, and would be too long for an index.
    """
    text = next((form[name] for name in names if form.get(name)), "")
    return text if len(text) <= MAX_WORD and text.isascii() and text.isprintable() else ""


def _moment(form: Form) -> datetime | None:
    try:
        moment = parsedate_to_datetime(form.get("Timestamp", ""))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, TypeError):
        return None
