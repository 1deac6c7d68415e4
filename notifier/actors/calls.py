"""The actors that call leads, and the actor that completes the records of inbound calls."""

from __future__ import annotations

from collections.abc import Iterable

from notifier.actors import requests
from notifier.actors.delivery import delivery_actor, enqueue
from notifier.broker.wakeups import try_wake
from notifier.core.queues import VOICE
from notifier.deliveries.enqueue import DeliveryRequest, EnqueueResult
from notifier.voice import outbound, reconciliation


def enqueue_calls(wanted: Iterable[DeliveryRequest]) -> list[EnqueueResult]:
    """Enqueue calls to leads. If a lead has no phone number, its call fails immediately and holds no tokens."""
    return enqueue(wanted, outbound.enqueue_calls)


def enqueue_inbound_calls(wanted: Iterable[DeliveryRequest]) -> list[EnqueueResult]:
    """Enqueue the records of inbound calls.

    If the webhook has already recorded a call, a worker asks Twilio about the call now instead of later.
    """
    results = enqueue(wanted)
    if known := [result.delivery_id for result in results if not result.is_new]:
        reconciliation.check_now(known)
        try_wake([VOICE])
    return results


@delivery_actor(requests.outbound_call, enqueue=enqueue_calls)
def outbound_call(subscriber_id: int, lead_id: int, script_id: int, request_id: str) -> None:
    """Enqueue a call to a lead. The call uses the script ``script_id``. A three-minute call costs 20 tokens."""
    enqueue_calls([requests.outbound_call(subscriber_id, lead_id, script_id, request_id)])


@delivery_actor(requests.campaign_call, enqueue=enqueue_calls)
def campaign_call(subscriber_id: int, lead_id: int, script_id: int, request_id: str) -> None:
    """Enqueue a campaign's call to a lead. A three-minute call costs 20 tokens."""
    enqueue_calls([requests.campaign_call(subscriber_id, lead_id, script_id, request_id)])


@delivery_actor(requests.inbound_call, enqueue=enqueue_inbound_calls)
def inbound_call(call_sid: str) -> None:
    """Enqueue the record of an inbound call to a subscriber's number. A three-minute call costs 20 tokens."""
    enqueue_inbound_calls([requests.inbound_call(call_sid)])
