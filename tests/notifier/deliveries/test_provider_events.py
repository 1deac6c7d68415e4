"""Provider events lead to the right delivery state in any order, even if events are repeated."""

from __future__ import annotations

from itertools import permutations

import pytest

import notifier
from notifier.core.db import transaction
from notifier.core.errors import OutcomeUnknown
from notifier.core.queues import EMAIL, SMS, VOICE
from notifier.core.states import State
from notifier.deliveries import lifecycle, provider_events
from notifier.deliveries.enqueue import DeliveryRequest, enqueue_deliveries
from notifier.deliveries.lifecycle import Claim, SentRecord
from notifier.deliveries.provider_events import Event
from notifier.deliveries.settlement import settle_or_release
from tests.notifier.system import System


def sms_in(system: System, state: str) -> int:
    """Enqueue an SMS and bring it to ``state``."""
    delivery = notifier.urgent_lead_sms.send(system.subscriber(), system.lead()).delivery_id
    if state == "queued":
        return delivery
    claimed = lifecycle.claim(SMS, ["urgent_lead_sms"])
    assert claimed is not None and claimed.ids == (delivery,)
    if state == "accepted":
        lifecycle.accept(claimed, SMS, [SentRecord(delivery, "+13055551234")], "SM1")
    elif state in ("unknown", "parked"):
        lifecycle.mark_unknown(
            claimed, [SentRecord(delivery, "+13055551234")], OutcomeUnknown("no answer", code="no_answer")
        )
    elif state in ("dead", "expired"):
        lifecycle.end(claimed, [delivery], State(state), "test")
    if state == "parked":
        with transaction() as cursor:
            cursor.execute("UPDATE deliveries SET state = 'parked'")
            settle_or_release(cursor, [delivery], State.PARKED, "test")
    return delivery


def report(delivery: int, *words: str, **details: str) -> None:
    provider_events.store("twilio", [Event(word, f"SM1:{word}", delivery, "SM1", details=details) for word in words])


@pytest.mark.parametrize("order", permutations(["queued", "sent", "delivered"]))
def test_events_in_any_order_end_delivered_and_settle_once(system: System, order: tuple[str, ...]) -> None:
    delivery = sms_in(system, "accepted")
    for word in [*order, *order]:
        report(delivery, word)
        provider_events.apply()
    assert system.state(delivery) == "delivered"
    assert system.entries(delivery) == [("hold", 10), ("settle", 10)]
    assert system.value("SELECT count(*) FROM delivery_events") == 3


@pytest.mark.parametrize("state", ["queued", "sending", "unknown"])
def test_a_providers_event_overrides_our_state(system: System, state: str) -> None:
    delivery = sms_in(system, state)
    report(delivery, "delivered")
    provider_events.apply()
    assert system.state(delivery) == "delivered"
    assert system.entries(delivery) == [("hold", 10), ("settle", 10)]


@pytest.mark.parametrize("state", ["parked", "dead", "expired"])
def test_late_proof_changes_the_state_and_charges_nobody(system: System, state: str) -> None:
    delivery = sms_in(system, state)
    before = system.entries(delivery)
    assert before == [("hold", 10), ("release", 10)]
    report(delivery, "delivered")
    assert [change.previous_state for change in provider_events.apply()] == [State(state)]
    assert system.state(delivery) == "delivered"
    assert system.entries(delivery) == before


def test_an_event_before_our_commit_loses_nothing(system: System) -> None:
    delivery = notifier.urgent_lead_sms.send(system.subscriber(), system.lead()).delivery_id
    claimed = lifecycle.claim(SMS, ["urgent_lead_sms"])
    assert claimed is not None
    report(delivery, "delivered")
    provider_events.apply()
    lifecycle.accept(claimed, SMS, [SentRecord(delivery, "+13055551234", "+13055550100", "text")], "SM1")
    assert system.rows("SELECT state, recipient, body, provider_id FROM deliveries") == [
        ("delivered", "+13055551234", "text", "SM1")
    ]
    assert system.entries(delivery) == [("hold", 10), ("settle", 10)]


def test_an_undelivered_sms_is_refunded_once(system: System) -> None:
    delivery = sms_in(system, "accepted")
    for words in (["undelivered"], ["failed"], ["delivered"], ["sent"]):
        report(delivery, *words, code="30003")
        provider_events.apply()
    assert system.entries(delivery) == [("hold", 10), ("settle", 10), ("refund", 10)]


def test_nothing_is_refunded_after_three_days(system: System) -> None:
    delivery = sms_in(system, "accepted")
    # In tests, time runs a hundred times faster, so 72 hours take 43 minutes.
    system.database.connection.execute("ALTER TABLE token_entries DISABLE TRIGGER token_entries_are_append_only")
    system.database.connection.execute("UPDATE token_entries SET created_at = now() - interval '44 minutes'")
    report(delivery, "undelivered", code="30003")
    provider_events.apply()
    assert system.rows("SELECT state, error_code FROM deliveries") == [("undelivered", "30003")]
    assert system.entries(delivery) == [("hold", 10), ("settle", 10)]


@pytest.mark.parametrize("word", ["bounce", "spamreport", "unsubscribe", "group_unsubscribe"])
def test_bounces_complaints_and_unsubscribes_suppress_the_address(system: System, word: str) -> None:
    user = system.subscriber(email="Someone@Example.test")
    delivery = notifier.new_lead_alert.send(user, system.lead()).delivery_id
    claimed = lifecycle.claim(EMAIL, ["new_lead_alert"])
    assert claimed is not None
    lifecycle.accept(claimed, EMAIL, [SentRecord(delivery, "Someone@Example.test")], "msg")
    provider_events.store("sendgrid", [Event(word, "e1", delivery, "msg"), Event("open", "e2", delivery, "msg")])
    provider_events.apply()
    assert system.rows("SELECT channel, address, reason FROM suppressions") == [("email", "someone@example.test", word)]


def test_an_event_with_only_the_sid_waits_for_its_delivery(system: System) -> None:
    provider_events.store("twilio", [Event("delivered", "SM1:delivered", None, "SM1")])
    provider_events.store("twilio", [Event("delivered", "other", 4711, "SM2"), Event("nonsense", "n", None, "SM1")])
    provider_events.apply()
    delivery = sms_in(system, "accepted")
    provider_events.apply()
    assert system.state(delivery) == "delivered"


def call_in_progress(system: System, tokens: int | None = None) -> tuple[int, Claim]:
    (one,) = enqueue_deliveries(
        [DeliveryRequest("outbound_call", "call:1", system.subscriber(), system.lead(), tokens=tokens)]
    )
    claimed = lifecycle.claim(VOICE, ["outbound_call"])
    assert claimed is not None
    lifecycle.accept(claimed, VOICE, [SentRecord(one.delivery_id, "+13055551234")], "CA1")
    assert system.entries(one.delivery_id) == [("hold", tokens or 20)]
    return one.delivery_id, claimed


@pytest.mark.parametrize(("held", "seconds", "paid"), [(20, 12, 20), (20, 180, 20), (35, 181, 25), (35, 361, 35)])
def test_a_call_settles_at_its_end_by_its_length(system: System, held: int, seconds: int, paid: int) -> None:
    delivery, _ = call_in_progress(system, held)
    provider_events.store(
        "twilio", [Event("completed", "CA1:completed", delivery, "CA1", details={"seconds": seconds})]
    )
    provider_events.apply()
    assert system.entries(delivery) == [("hold", held), ("settle", paid)]
    assert system.value("SELECT token_balance FROM token_balances") == 1000 - paid


@pytest.mark.parametrize("word", ["busy", "no-answer", "failed", "canceled"])
def test_a_call_that_never_connects_costs_nothing(system: System, word: str) -> None:
    delivery, _ = call_in_progress(system)
    provider_events.store("twilio", [Event(word, f"CA1:{word}", delivery, "CA1")])
    provider_events.apply()
    assert system.entries(delivery) == [("hold", 20), ("release", 20)]
    assert system.state(delivery) == "undelivered"


def test_a_deferred_delivery_loses_no_attempt(system: System) -> None:
    delivery = sms_in(system, "sending")
    key, moment = system.rows("SELECT claim, now() + interval '1 hour' FROM deliveries")[0]
    lifecycle.defer(Claim(key, "urgent_lead_sms", (delivery,)), [delivery], "quiet_hours", until=moment)
    assert system.rows("SELECT state, attempts, not_before, error_code FROM deliveries") == [
        ("queued", 0, moment, "quiet_hours")
    ]
