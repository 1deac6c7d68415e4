"""Each SendGrid event is stored once, whatever else its batch contains."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest

import notifier
from notifier.core.queues import EMAIL
from notifier.deliveries import lifecycle
from notifier.deliveries.lifecycle import SentRecord
from sandbox.callbacks import SendGrid
from tests.notifier.system import System


def email(system: System) -> int:
    """Add an e-mail that SendGrid accepted with the message id msg1; return the e-mail's delivery id."""
    delivery = notifier.new_lead_alert.send(system.subscriber(), system.lead()).delivery_id
    claimed = lifecycle.claim(EMAIL, ["new_lead_alert"])
    assert claimed is not None
    lifecycle.accept(claimed, EMAIL, [SentRecord(delivery, "Person@Example.test")], "msg1")
    return delivery


def event(name: str, delivery: int | None = None, **more: Any) -> dict[str, Any]:
    made = {
        "email": "person@example.test",
        "event": name,
        "timestamp": int(time.time()),
        "sg_event_id": f"id-{name}",
        "sg_message_id": "msg1.filter01.1.2.0",
        **more,
    }
    return made if delivery is None else made | {"delivery_id": str(delivery)}


def test_shuffled_and_repeated_events_settle_once(
    sendgrid: SendGrid, system: System, applied: Callable[[], None]
) -> None:
    for order in permutations(["processed", "delivered", "open"]):
        delivery = email(system)
        for batch in (order, order[::-1]):
            events = [event(name, delivery, sg_event_id=f"{name}-{delivery}") for name in batch]
            assert sendgrid.post(events).status_code == 200
        applied()
        assert system.state(delivery) == "delivered", order
        assert system.entries(delivery) == [("hold", 1), ("settle", 1)], order
        assert system.value("SELECT count(*) FROM delivery_events WHERE delivery_id = %s", delivery) == 3


def test_a_malformed_event_does_not_affect_the_ninety_nine_others(
    sendgrid: SendGrid, system: System, applied: Callable[[], None]
) -> None:
    delivery = email(system)
    batch: list[Any] = [event("open", delivery, sg_event_id=f"e{n}", timestamp=1_700_000_000 + n) for n in range(99)]
    malformed: list[Any] = [
        None,
        7,
        "delivered",
        [],
        {},
        {"event": "delivered"},
        event("delivered", delivery, timestamp="soon"),
        event("delivered", delivery, timestamp=10**18),
        event("delivered", delivery, sg_event_id=None, sg_message_id=None),
        event("deli\0vered", delivery),
        {"event": "delivered", "timestamp": 1, "sg_event_id": "x", "delivery_id": {"a": 1}},
    ]
    for wrong in malformed:
        assert sendgrid.post([*batch[:50], wrong, *batch[50:]]).status_code == 200, wrong
    applied()
    assert system.value("SELECT count(*) FROM delivery_events") == 99


def test_a_signed_body_that_is_not_a_list_is_a_400(sendgrid: SendGrid) -> None:
    for body in (b"", b"{}", b"null", b"[", b'"events"', b"[" * 100_000):
        assert sendgrid.post(body).status_code == 400, body[:10]


def test_an_event_repeated_under_another_id_is_stored_once(sendgrid: SendGrid, system: System) -> None:
    delivery = email(system)
    first = event("delivered", delivery, timestamp=1_700_000_000)
    assert sendgrid.post([first, first, first | {"sg_event_id": "another"}]).status_code == 200
    assert sendgrid.post([first | {"sg_event_id": "a third"}]).status_code == 200
    assert system.value("SELECT count(*) FROM delivery_events") == 1


def test_two_recipients_of_one_request_have_their_own_events(sendgrid: SendGrid, system: System) -> None:
    deliveries_of_two = [email(system), email(system)]
    moment = int(time.time())
    batch = [event("delivered", one, sg_event_id=f"e{one}", timestamp=moment) for one in deliveries_of_two]
    assert sendgrid.post(batch).status_code == 200
    assert system.value("SELECT count(*) FROM delivery_events") == 2


def test_an_old_event_about_an_unknown_delivery_is_stored_and_answered(sendgrid: SendGrid, system: System) -> None:
    old = event("delivered", 4711, timestamp=int(time.time()) - 10 * 365 * 86_400)
    assert sendgrid.post([old, event("bounce", timestamp=0, sg_event_id="zero")]).status_code == 200
    assert system.rows("SELECT event, delivery_id FROM delivery_events ORDER BY event") == [
        ("bounce", None),
        ("delivered", None),
    ]


@pytest.mark.parametrize(
    ("name", "more", "reason"),
    [
        ("bounce", {"type": "bounce", "status": "5.1.1", "reason": "550 person@example.test unknown"}, "bounce"),
        ("spamreport", {}, "spamreport"),
        ("unsubscribe", {}, "unsubscribe"),
        ("group_unsubscribe", {}, "group_unsubscribe"),
        ("bounce", {"type": "blocked", "status": "4.2.1"}, None),
        ("deferred", {}, None),
    ],
)
def test_bounces_and_complaints_suppress_the_address(
    sendgrid: SendGrid, system: System, applied: Callable[[], None], name: str, more: dict[str, str], reason: str | None
) -> None:
    delivery = email(system)
    assert sendgrid.post([event(name, delivery, **more)]).status_code == 200
    applied()
    expected = [] if reason is None else [("email", "person@example.test", reason)]
    assert system.rows("SELECT channel, address, reason FROM suppressions") == expected
    kept = system.value("SELECT string_agg(details::text, ' ') FROM delivery_events")
    assert "person@" not in kept
