"""``POST /sendgrid/events``: receives signed batches of SendGrid's events about our e-mails."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, BackgroundTasks, HTTPException, Response

from leads.logs import get_logger
from notifier.deliveries import provider_events
from notifier.deliveries.provider_events import Event
from notifier.web.background import apply_events
from notifier.web.signatures import SendGridBody

log = get_logger(__name__)
router = APIRouter()

#: The form of an event's name.
_WORD = re.compile(r"\w{1,40}", re.ASCII)
#: The form of SendGrid's two ids, joined into one string. The pattern excludes NUL, lone surrogates, and strings that
#: are too long for an index.
_ID = re.compile(r"[!-~]{1,500}")


@router.post("/sendgrid/events")
def sendgrid_events(body: SendGridBody, background: BackgroundTasks) -> Response:
    """Store each event in the batch once, and skip malformed events."""
    try:
        batch = json.loads(body)
    except (ValueError, RecursionError):
        batch = None
    if not isinstance(batch, list):
        raise HTTPException(400, "the body must be a JSON list of events")
    parsed = [_event(item) for item in batch]
    events = [event for event in parsed if event is not None]
    if len(events) < len(batch):
        log.warning("malformed_events", provider="sendgrid", malformed=len(batch) - len(events), events=len(batch))
    if provider_events.store("sendgrid", events):
        background.add_task(apply_events)
    return Response(status_code=200)


def _event(item: Any) -> Event | None:
    """Return an element of the batch as an event, or None if the element is malformed."""
    try:
        name, moment = str(item["event"]), int(item["timestamp"])
        message, unique = str(item.get("sg_message_id") or ""), str(item.get("sg_event_id") or "")
        if not (_WORD.fullmatch(name) and _ID.fullmatch(message + unique)):
            return None
        if name == "bounce" and item.get("type") == "blocked":
            name = "blocked"  # the receiving server refused only this e-mail, and the address may be valid
        delivery = item.get("delivery_id")
        return Event(
            name,
            unique or f"{message}:{name}:{moment}",
            int(delivery) if delivery is not None and 0 < int(delivery) < 2**63 else None,
            message or None,
            datetime.fromtimestamp(moment, UTC),
            _details(item),
        )
    except (KeyError, TypeError, ValueError, OverflowError, OSError, AttributeError):
        return None


def _details(item: Mapping[str, Any]) -> dict[str, str]:
    """Return the code for a failure.

    The code omits SendGrid's message, because the message may quote the e-mail address.
    """
    code = str(item.get("status") or item.get("type") or "")
    return {"code": code} if re.fullmatch(r"[\w.-]{1,20}", code) else {}
