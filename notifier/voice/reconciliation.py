"""Asks Twilio about calls whose end was not reported.

A matching record proves that a call was made. A missing record proves nothing.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from leads.alert import alert
from leads.logs import get_logger
from notifier.core import pricing
from notifier.core.db import records, rows, transaction
from notifier.core.errors import ProviderError
from notifier.core.phone_numbers import e164
from notifier.core.queues import VOICE
from notifier.core.settings import settings
from notifier.core.states import State
from notifier.deliveries import lifecycle, provider_events
from notifier.deliveries.lifecycle import Claim, SentRecord
from notifier.deliveries.provider_events import Event
from notifier.providers import twilio_calls
from notifier.providers.twilio_calls import CallRecord
from notifier.voice import session

log = get_logger(__name__)

#: The final statuses of calls that never connected.
NEVER_CONNECTED = frozenset({"failed", "busy", "no-answer", "canceled"})
FINAL_STATUSES = NEVER_CONNECTED | {"completed"}
#: The notifier's own event for a call whose end was not reported within 72 hours.
END_UNKNOWN = "never_told"
#: The tolerance for Twilio's times, which are in whole seconds and come from another clock.
TOLERANCE = timedelta(seconds=30)


@dataclass(frozen=True)
class DueCheck:
    """A call to ask Twilio about.

    If ``is_overdue`` is true and Twilio does not know whether the call ended, the notifier gives up on the call.
    """

    id: int
    provider_id: str | None
    claimed_at: datetime
    is_overdue: bool
    recipient: str | None
    sender: str | None


def check_due(seconds: float = math.inf) -> None:
    """Ask Twilio about calls that should have ended or may never have started. Stops after ``seconds``."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and (due := _claim_check()):
        try:
            call = twilio_calls.fetch_call(due.provider_id) if due.provider_id else _find(due)
        except ProviderError as error:
            log.warning("calls_not_reported", provider="twilio", reason=str(error), consequence="retried later")
            return
        if call is not None:
            record(due.id, call)
        if due.is_overdue and (call is None or call.status not in FINAL_STATUSES):
            _give_up(due.id)


def check_now(delivery_ids: Sequence[int]) -> None:
    """Make these calls due now for a check with Twilio."""
    with transaction() as cursor:
        rows(cursor, "voice/check_calls_now", ids=list(delivery_ids))


def complete(claim: Claim) -> None:
    """Ask Twilio about inbound calls that the webhook did not record, and complete their deliveries."""
    with transaction() as cursor:
        cursor.execute(
            "SELECT id, params ->> 'call_sid' AS sid FROM deliveries WHERE id = ANY (%s)", (list(claim.ids),)
        )
        calls = cursor.fetchall()
    for row in calls:
        try:
            call = twilio_calls.fetch_call(row["sid"])
        except ProviderError as error:
            lifecycle.requeue(claim, [row["id"]], VOICE, error)
            continue
        if call is None:
            lifecycle.end(claim, [row["id"]], State.FAILED, "no_such_call", "Twilio has no record of this call")
        else:
            _complete(claim, row["id"], call)


def record(delivery_id: int, call: CallRecord) -> None:
    """Store and apply the status of ``call``, as if it had arrived in a callback."""
    provider_events.store("twilio", [event(call.status, call.sid, delivery_id, call.duration)])
    if call.answered_by == "human":
        session.human_answered(call.sid, delivery_id)
    provider_events.apply()


def _give_up(delivery_id: int) -> None:
    """Give up on a call and release its tokens. A later report will not charge the subscriber."""
    key = f"{END_UNKNOWN}:{delivery_id}"
    provider_events.store("notifier", [Event(END_UNKNOWN, key, delivery_id, details={"code": END_UNKNOWN})])
    provider_events.apply()
    alert(
        "warning",
        "Twilio never reported the end of a call",
        f"Twilio sent no callback for delivery {delivery_id} within 72 hours, and has no record of the call's end.",
        "Compare the call with Twilio's log, and check that Twilio's callbacks reach API_URL.",
        cause="calls without an end",
    )


def event(status: str, sid: str, delivery_id: int | None, seconds: str) -> Event:
    """Return the event for a call's status.

    The event contains a code if the call never connected, and otherwise the call's duration if it is known.
    """
    details: dict[str, str | int] = {}
    if status in NEVER_CONNECTED:
        details["code"] = status
    elif seconds.isdigit():
        details["seconds"] = min(int(seconds), 86_400)
    return Event(status, f"{sid}:{status}", delivery_id, sid, details=details)


def _claim_check() -> DueCheck | None:
    with transaction() as cursor:
        claimed = records(cursor, DueCheck, "voice/claim_call_check", scale=settings.notifier_time_scale)
    return claimed[0] if claimed else None


def _find(due: DueCheck) -> CallRecord | None:
    """Return the call that matches the delivery's numbers and time, unless another delivery has the call's SID.

    Returns None unless exactly one such call exists.
    """
    recipient, sender, began = e164(due.recipient), e164(due.sender), due.claimed_at
    if not recipient or not sender:
        return None
    until = began + timedelta(seconds=settings.provider_timeout_seconds) + 2 * TOLERANCE
    found = twilio_calls.find_calls(recipient, sender, began - TOLERANCE)
    candidates = {call.sid: call for call in found if call.created_at is not None and call.created_at <= until}
    with transaction() as cursor:
        cursor.execute("SELECT provider_id FROM deliveries WHERE provider_id = ANY (%s)", (list(candidates),))
        for row in cursor.fetchall():
            del candidates[row["provider_id"]]
    return next(iter(candidates.values())) if len(candidates) == 1 else None


def _complete(claim: Claim, delivery_id: int, call: CallRecord) -> None:
    tokens = pricing.call_hold()
    with transaction() as cursor:
        owner = rows(cursor, "voice/called_subscriber", called=call.recipient)
        subscriber = owner[0]["subscriber_id"] if owner else None
        parameters = {"id": delivery_id, "claim": claim.key, "subscriber": subscriber, "tokens": tokens}
        if subscriber is not None:
            rows(cursor, "voice/adopt_inbound", **parameters)
            held = rows(cursor, "voice/hold_inbound", id=delivery_id)[0]["is_held"]
    if subscriber is None:
        lifecycle.end(claim, [delivery_id], State.FAILED, "no_subscriber", "the called number belongs to no subscriber")
    elif not held:
        lifecycle.end(claim, [delivery_id], State.SKIPPED, "insufficient_tokens")
    else:
        lifecycle.accept(claim, VOICE, [SentRecord(delivery_id, call.recipient, call.sender)], call.sid)
        record(delivery_id, call)
