"""Calls of which no end is known: Twilio is asked. A hit is proof; that Twilio knows of none never is."""

from __future__ import annotations

import logging
from datetime import timedelta

from psycopg.rows import DictRow
from twilio.rest.api.v2010.account.call import CallInstance

from leads import settings
from leads.alert import alert
from notifier.core import pricing
from notifier.core.db import rows, transaction
from notifier.core.errors import ProviderError
from notifier.core.phone_numbers import e164
from notifier.core.queues import VOICE
from notifier.core.states import State
from notifier.deliveries import lifecycle, provider_events
from notifier.deliveries.lifecycle import Claim, Sent
from notifier.deliveries.provider_events import Event
from notifier.providers import twilio
from notifier.voice import session

log = logging.getLogger(__name__)

#: How a call ends that never connected.
NEVER_CONNECTED = frozenset({"failed", "busy", "no-answer", "canceled"})
ENDS = NEVER_CONNECTED | {"completed"}
#: Our own word for a call of whose end nobody could tell within 72 hours.
END_UNKNOWN = "never_told"
#: Twilio's clock counts seconds, and may differ from ours.
TOLERANCE = timedelta(seconds=30)


def check_due() -> None:
    """Asks Twilio about each call that should be over, or may never have been made, until none is due."""
    while due := _claim_one():
        try:
            call = twilio.fetch_call(due["provider_id"]) if due["provider_id"] else _find(due)
        except ProviderError as error:
            log.warning("Twilio does not say what became of calls (%s): later again", error)
            return
        if call is not None:
            tell(due["id"], call)
        if due["is_overdue"] and (call is None or call.status not in ENDS):
            _give_up(due["id"])


def complete(claim: Claim) -> None:
    """Makes whole the records of calls that came in while nobody opened a row for them."""
    with transaction() as cursor:
        calls = cursor.execute("SELECT id, params FROM deliveries WHERE id = ANY (%s)", (list(claim.ids),)).fetchall()
    for row in calls:
        try:
            call = twilio.fetch_call(row["params"]["call_sid"])
        except ProviderError as error:
            lifecycle.requeue(claim, [row["id"]], VOICE, error)
            continue
        if call is None:
            lifecycle.end(claim, [row["id"]], State.FAILED, "no_such_call", "Twilio knows of no such call")
        else:
            _complete(claim, row["id"], call)


def tell(delivery_id: int, call: CallInstance) -> None:
    """Keeps and applies what ``call`` says, as if Twilio had called back."""
    provider_events.store("twilio", [event(str(call.status), str(call.sid), delivery_id, str(call.duration or ""))])
    if call.answered_by == "human":
        session.human_answered(str(call.sid), delivery_id)
    provider_events.apply()


def _give_up(delivery_id: int) -> None:
    """Ends a call for the subscriber's good: what it held goes back, and what Twilio tells later charges nobody."""
    key = f"{END_UNKNOWN}:{delivery_id}"
    provider_events.store("notifier", [Event(END_UNKNOWN, key, delivery_id, details={"code": END_UNKNOWN})])
    provider_events.apply()
    alert(
        "warning",
        "The end of a call was never told",
        f"Delivery {delivery_id} was given up after 72 hours: no callback came and Twilio does not know its end.",
        "Compare the call with Twilio's log, and check that its callbacks reach API_URL.",
        cause="calls without an end",
    )


def event(status: str, sid: str, delivery_id: int | None, seconds: str) -> Event:
    """The event of a call's ``status``, with its code when it never connected and its length when it is over."""
    details: dict[str, str | int] = {}
    if status in NEVER_CONNECTED:
        details["code"] = status
    elif seconds.isdigit():
        details["seconds"] = min(int(seconds), 86_400)
    return Event(status, f"{sid}:{status}", delivery_id, sid, details=details)


def _claim_one() -> DictRow | None:
    with transaction() as cursor:
        taken = rows(cursor, "voice/claim_call_check", scale=settings.time_scale())
    return taken[0] if taken else None


def _find(due: DictRow) -> CallInstance | None:
    """The one call that can be this delivery's: between its numbers, made when it was sent, no other delivery's."""
    recipient, sender, began = e164(due["recipient"]), e164(due["sender"]), due["claimed_at"]
    if not recipient or not sender:
        return None
    until = began + timedelta(seconds=settings.provider_timeout()) + 2 * TOLERANCE
    made = twilio.find_calls(recipient, sender, began - TOLERANCE)
    near = {str(call.sid): call for call in made if call.date_created is not None and call.date_created <= until}
    with transaction() as cursor:
        cursor.execute("SELECT provider_id FROM deliveries WHERE provider_id = ANY (%s)", (list(near),))
        for row in cursor.fetchall():
            del near[row["provider_id"]]
    return next(iter(near.values())) if len(near) == 1 else None


def _complete(claim: Claim, delivery_id: int, call: CallInstance) -> None:
    with transaction() as cursor:
        owner = rows(cursor, "voice/called_subscriber", called=call.to)
        subscriber = owner[0]["subscriber_id"] if owner else None
        parameters = {"id": delivery_id, "claim": claim.key, "subscriber": subscriber, "tokens": pricing.call_hold()}
        if subscriber is not None:
            rows(cursor, "voice/adopt_inbound", **parameters)
            held = rows(cursor, "voice/hold_inbound", id=delivery_id)[0]["is_held"]
    if subscriber is None:
        lifecycle.end(claim, [delivery_id], State.FAILED, "no_subscriber", "the called number is nobody's")
    elif not held:
        lifecycle.end(claim, [delivery_id], State.SKIPPED, "insufficient_tokens")
    else:
        lifecycle.accept(claim, VOICE, [Sent(delivery_id, str(call.to), str(call._from))], str(call.sid))
        tell(delivery_id, call)
