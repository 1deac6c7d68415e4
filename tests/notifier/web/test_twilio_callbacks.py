"""Twilio's callbacks lead to the right delivery state, whether they are late, early, repeated or out of order."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from threading import Event

import psycopg
import pytest

import notifier
from notifier.core.queues import SMS, VOICE
from notifier.deliveries import lifecycle
from notifier.deliveries.enqueue import DeliveryRequest, enqueue_deliveries
from notifier.deliveries.lifecycle import Claim, SentRecord
from sandbox.callbacks import Twilio
from tests.notifier.system import System

LEAD_NUMBER = "+13055550177"


def claimed_sms(system: System) -> tuple[int, Claim]:
    """Enqueue and claim an SMS; return the delivery id and the claim."""
    delivery = notifier.urgent_lead_sms.send(system.subscriber(), system.lead()).delivery_id
    claimed = lifecycle.claim(SMS, ["urgent_lead_sms"])
    assert claimed is not None
    return delivery, claimed


def call(system: System, tokens: int = 20, sid: str = "CA1") -> int:
    """Add a call that Twilio accepted with the SID ``sid``; return the call's delivery id."""
    user, lead = system.subscriber(tokens=100), system.lead(phone_number=LEAD_NUMBER)
    (opened,) = enqueue_deliveries([DeliveryRequest("outbound_call", f"call:{sid}", user, lead, tokens=tokens)])
    claimed = lifecycle.claim(VOICE, ["outbound_call"])
    assert claimed is not None
    lifecycle.accept(claimed, VOICE, [SentRecord(opened.delivery_id, LEAD_NUMBER, "+13055550100")], sid)
    return opened.delivery_id


def report_sms(twilio: Twilio, delivery: int, status: str, **more: str) -> None:
    fields = {"MessageSid": "SM1", "MessageStatus": status, "To": "+13055552001", **more}
    assert twilio.post(f"/twilio/sms/status?delivery_id={delivery}", fields).status_code == 204


def report_call(twilio: Twilio, delivery: int | None, status: str, **more: str) -> None:
    query = "" if delivery is None else f"?delivery_id={delivery}"
    fields = {"CallSid": "CA1", "CallStatus": status, "To": LEAD_NUMBER, **more}
    assert twilio.post(f"/twilio/voice/status{query}", fields).status_code == 204


def test_shuffled_and_repeated_callbacks_settle_once(
    twilio: Twilio, system: System, applied: Callable[[], None]
) -> None:
    for order in permutations(["queued", "sent", "delivered"]):
        delivery, claimed = claimed_sms(system)
        sid = f"SM{delivery}"
        report_sms(twilio, delivery, order[0], MessageSid=sid)  # This callback arrives before the worker commits.
        lifecycle.accept(claimed, SMS, [SentRecord(delivery, "+13055552001", "+13055550100", "text")], sid)
        for status in [*order, *reversed(order)]:
            report_sms(twilio, delivery, status, MessageSid=sid)
        applied()
        assert system.state(delivery) == "delivered", order
        assert system.entries(delivery) == [("hold", 10), ("settle", 10)], order
        assert system.value("SELECT count(*) FROM delivery_events WHERE delivery_id = %s", delivery) == 3


def test_a_callback_is_proof_when_the_worker_died(twilio: Twilio, system: System, applied: Callable[[], None]) -> None:
    delivery, _ = claimed_sms(system)
    report_sms(twilio, delivery, "sent")
    applied()
    assert system.rows("SELECT state, provider_id FROM deliveries WHERE id = %s", delivery) == [("sent", "SM1")]
    assert system.entries(delivery) == [("hold", 10), ("settle", 10)]


def test_an_undelivered_sms_is_refunded_and_keeps_its_code(
    twilio: Twilio, system: System, applied: Callable[[], None]
) -> None:
    delivery, claimed = claimed_sms(system)
    lifecycle.accept(claimed, SMS, [SentRecord(delivery, "+13055552001")], "SM1")
    report_sms(twilio, delivery, "undelivered", ErrorCode="30003")
    applied()
    assert system.rows("SELECT state, error_code FROM deliveries") == [("undelivered", "30003")]
    assert system.entries(delivery) == [("hold", 10), ("settle", 10), ("refund", 10)]


def test_a_call_settles_once_at_its_end_by_its_length(
    twilio: Twilio, system: System, applied: Callable[[], None]
) -> None:
    for order in permutations(["initiated", "ringing", "in-progress", "completed"]):
        sid = "CA" + "-".join(order)
        delivery = call(system, tokens=30, sid=sid)
        for status in [*order, *order]:
            ended = {"CallDuration": "181"} if status == "completed" else {}
            report_call(twilio, delivery, status, CallSid=sid, **ended)
        applied()
        assert system.state(delivery) == "delivered", order
        assert system.entries(delivery) == [("hold", 30), ("settle", 25)], order
        assert system.balance(system.value("SELECT max(subscriber_id) FROM deliveries")) == 75


@pytest.mark.parametrize("status", ["busy", "no-answer", "failed", "canceled"])
def test_a_call_that_never_connects_costs_nothing_and_keeps_its_code(
    twilio: Twilio, system: System, applied: Callable[[], None], status: str
) -> None:
    delivery = call(system)
    report_call(twilio, delivery, "ringing")
    report_call(twilio, delivery, status)
    applied()
    assert system.rows("SELECT state, error_code FROM deliveries WHERE id = %s", delivery) == [("undelivered", status)]
    assert system.entries(delivery) == [("hold", 20), ("release", 20)]
    # If a call fails, the subscriber gets one notice. If the number is busy, the subscriber gets no notice.
    notices = system.rows("SELECT kind, dedupe_key FROM deliveries WHERE channel = 'email'")
    assert notices == ([("call_failed", f"call_failed:{delivery}")] if status == "failed" else [])


def test_a_callback_without_our_id_finds_its_call_by_the_sid(
    twilio: Twilio, system: System, applied: Callable[[], None]
) -> None:
    delivery = call(system)
    report_call(twilio, None, "completed", CallDuration="10")
    system.wait_until(lambda: system.state(delivery) == "delivered", "the call's end found by its sid")


def test_an_event_without_a_delivery_is_stored_and_changes_nothing(twilio: Twilio, system: System) -> None:
    delivery = call(system)
    twilio.post("/twilio/voice/status?delivery_id=4711", {"CallSid": "CA9", "CallStatus": "completed"})
    twilio.post("/twilio/voice/status", {"CallStatus": "completed"})
    twilio.post("/twilio/voice/status", {"CallSid": "CA9"})
    assert system.value("SELECT count(*) FROM delivery_events WHERE delivery_id IS NULL") == 1
    assert system.state(delivery) == "accepted"


def test_events_stored_before_a_crash_are_applied_later(
    twilio: Twilio, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    from notifier.deliveries import provider_events

    died = Event()

    def die() -> None:
        died.set()
        raise psycopg.OperationalError("the process is gone")

    delivery = call(system)
    monkeypatch.setattr(provider_events, "apply", die)
    report_call(twilio, delivery, "completed", CallDuration="10")
    assert died.wait(10), "events are applied after the HTTP answer"
    assert system.state(delivery) == "accepted"
    monkeypatch.undo()
    provider_events.apply()
    assert system.state(delivery) == "delivered"


def test_the_recordings_sid_is_stored_with_its_call(
    twilio: Twilio, system: System, applied: Callable[[], None]
) -> None:
    delivery = call(system)
    fields = {"CallSid": "CA1", "RecordingSid": "RE1", "RecordingStatus": "completed", "RecordingDuration": "42"}
    for _ in range(2):
        assert twilio.post(f"/twilio/voice/recording?delivery_id={delivery}", fields).status_code == 204
    applied()
    assert system.rows("SELECT delivery_id, event, details FROM delivery_events") == [
        (delivery, "recording-completed", {"recording": "RE1", "recording_seconds": "42"})
    ]
    assert system.state(delivery) == "accepted"
