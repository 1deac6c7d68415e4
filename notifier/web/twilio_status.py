"""``POST /twilio/sms/status``, ``/twilio/voice/status``, ``/twilio/voice/recording``: what became of texts and calls.

The delivery's id is in the address that Twilio was given, so a callback may come before our own commit, or be the only
proof that a text or call left.
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

#: The id in a callback's address. Not an integer to FastAPI, because nonsense in it is no error of Twilio's.
DeliveryId = Annotated[str, Query()]


@router.post("/sms/status")
def sms_status(form: TwilioForm, background: BackgroundTasks, delivery_id: DeliveryId = "") -> Response:
    sid, status = (
        form.get("MessageSid") or form.get("SmsSid", ""),
        form.get("MessageStatus") or form.get("SmsStatus", ""),
    )
    code = form.get("ErrorCode", "")
    return _keep(background, form, sid, status, delivery_id, {"code": code} if code.isdigit() else {})


@router.post("/voice/status")
def voice_status(form: TwilioForm, background: BackgroundTasks, delivery_id: DeliveryId = "") -> Response:
    sid, status = form.get("CallSid", ""), form.get("CallStatus", "")
    told = reconciliation.event(status, sid, delivery(delivery_id), form.get("CallDuration", ""))
    answer = _keep(background, form, sid, status, delivery_id, told.details)
    if form.get("AnsweredBy") == "human":
        session.human_answered(sid, delivery(delivery_id))
    return answer


@router.post("/voice/recording")
def voice_recording(form: TwilioForm, background: BackgroundTasks, delivery_id: DeliveryId = "") -> Response:
    """Keeps the recording's sid; who may hear it asks Twilio, with the account's key."""
    recording, status = form.get("RecordingSid", ""), form.get("RecordingStatus", "")
    if not (recording and status):
        return Response(status_code=204)
    event = Event(
        f"recording-{status}",
        f"{recording}:{status}",
        delivery(delivery_id),
        form.get("CallSid") or None,
        _moment(form),
        {"recording": recording, "recording_seconds": form.get("RecordingDuration", "")},
    )
    if provider_events.store("twilio", [event]):
        background.add_task(apply_events)
    return Response(status_code=204)


def _keep(
    background: BackgroundTasks, form: Form, sid: str, status: str, delivery_id: str, details: Mapping[str, str | int]
) -> Response:
    """Stores the event once; what it does to its delivery comes after the answer."""
    if sid and status:
        event = Event(status, f"{sid}:{status}", delivery(delivery_id), sid, _moment(form), details)
        if provider_events.store("twilio", [event]):
            background.add_task(apply_events)
    return Response(status_code=204)


def delivery(text: str) -> int | None:
    """The delivery's id from a callback's address; None when there is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _moment(form: Form) -> datetime | None:
    try:
        moment = parsedate_to_datetime(form.get("Timestamp", ""))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
