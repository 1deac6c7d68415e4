"""Calling a lead, and completing the record of a call that came in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from notifier.actors.delivery import DeliveryActor
from notifier.broker.wakeups import try_wake
from notifier.core import pricing
from notifier.core.db import rows, transaction
from notifier.core.queues import VOICE
from notifier.core.states import State
from notifier.deliveries.enqueue import DeliveryRequest, EnqueueResult
from notifier.deliveries.lifecycle import record_dead_letters


class CallActor(DeliveryActor):
    """An actor that calls leads. One without a phone number ends ``failed`` at once, and nothing is held for it."""

    def open(self, requests: Iterable[DeliveryRequest]) -> list[EnqueueResult]:
        wanted = list(requests)
        with transaction() as cursor:
            found = rows(cursor, "voice/leads_without_number", leads=[request.lead_id for request in wanted])
        silent = {row["id"] for row in found}
        opened = super().open([replace(r, tokens=0) if r.lead_id in silent else r for r in wanted])
        ids = [new.delivery_id for r, new in zip(wanted, opened, strict=True) if new.is_new and r.lead_id in silent]
        if ids:
            with transaction() as cursor:
                failed = [row["id"] for row in rows(cursor, "voice/fail_without_number", ids=ids)]
                record_dead_letters(cursor, failed, "no_phone_number")
        return [replace(new, state=State.FAILED) if new.delivery_id in ids else new for new in opened]


class InboundCallActor(DeliveryActor):
    """Completes the record of a call that came in: Twilio is asked about one that the webhook has opened."""

    def open(self, requests: Iterable[DeliveryRequest]) -> list[EnqueueResult]:
        opened = super().open(requests)
        known = [one.delivery_id for one in opened if not one.is_new]
        if known:
            with transaction() as cursor:
                rows(cursor, "voice/check_calls_now", ids=known)
            try_wake([VOICE])
        return opened


def _outbound_call(subscriber_id: int, lead_id: int, script_id: int, request_id: str) -> DeliveryRequest:
    """A call to a lead in the words of a script; 20 tokens for three minutes."""
    return _to_lead("outbound_call", subscriber_id, lead_id, script_id, request_id)


def _campaign_call(subscriber_id: int, lead_id: int, script_id: int, request_id: str) -> DeliveryRequest:
    """A call to one lead of a campaign; 20 tokens for three minutes."""
    return _to_lead("campaign_call", subscriber_id, lead_id, script_id, request_id)


def _inbound_call(call_sid: str) -> DeliveryRequest:
    """The record of a call to a subscriber's number; 20 tokens for three minutes."""
    if not call_sid:
        raise ValueError("call_sid is empty: it names the call at Twilio")
    return DeliveryRequest("inbound_call", f"inbound:{call_sid}", None, params={"call_sid": call_sid}, tokens=0)


def _to_lead(kind: str, subscriber_id: int, lead_id: int, script_id: int, request_id: str) -> DeliveryRequest:
    subscriber, lead, script = int(subscriber_id), int(lead_id), int(script_id)
    key = f"call:{subscriber}:{lead}:{script}:{request_id}"
    params = {"script_id": script, "request_id": request_id}
    return DeliveryRequest(kind, key, subscriber, lead, params=params, tokens=pricing.call_hold())


outbound_call = CallActor(_outbound_call, "outbound_call")
campaign_call = CallActor(_campaign_call, "campaign_call")
inbound_call = InboundCallActor(_inbound_call, "inbound_call")
