"""The recipe for a new message kind works. The five steps below are enough to send messages of the new kind.

In a real change, each step adds one entry to the file named in the step's comment.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import dramatiq
import pytest

from notifier.actors.delivery import delivery_actor, enqueue
from notifier.actors.drain import SENDERS, drain_queue
from notifier.channels import email
from notifier.channels.eligibility import EligibilityPolicy
from notifier.channels.email import EmailKind
from notifier.core.queues import EMAIL, KINDS
from notifier.core.settings import SendGridSettings
from notifier.deliveries.enqueue import DeliveryRequest
from notifier.messages import links
from tests.notifier.system import System

# 1. In migrations/reference/delivery_kinds.csv, add the channel, queue, price, claim order, retries and maximum age.
ROW: dict[str, Any] = {
    "kind": "price_change",
    "channel": "email",
    "queue_name": EMAIL.queue_name,
    "tokens": 2,
    "claim_order": 3,
    "retry_delays": [5, 25],
    "max_age": "72 hours",
    "is_optional": True,
    "is_owed": False,
    "is_replayable": True,
}


# 2. In notifier/messages, add a function for the template's fields. If the fields need columns that no statement
#    selects, add a statement to notifier/channels/sql.
def fields(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "subscriber_name": row["first_name"] or "",
        "new_price": f"${row['params']['cents'] / 100:,.2f}",
        "settings_url": links.app("settings"),
    }


# 3. In notifier/channels/email.py, declare the kind.
PRICE_CHANGE = EmailKind(
    "price_change", "BILLING", fields, EligibilityPolicy("channels/compose_account_messages", "email"), is_optional=True
)


# 4. In notifier/actors/requests.py, add a function that makes a DeliveryRequest from the actor's arguments.
def request(subscriber_id: int, cents: int) -> DeliveryRequest:
    return DeliveryRequest("price_change", f"price:{subscriber_id}:{cents}", subscriber_id, params={"cents": cents})


def declare(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """Register ROW, PRICE_CHANGE and the kind's queue. In a real change, the import and a migration do this."""
    columns, marks = ", ".join(ROW), ", ".join(["%s"] * len(ROW))
    insert = f"INSERT INTO delivery_kinds ({columns}) VALUES ({marks})"
    system.database.connection.execute(insert, list(ROW.values()))
    # In the repository, notifier/core/queues.py names each kind's queue, and notifier/actors/drain.py takes the sender
    # from EMAIL_KINDS.
    monkeypatch.setitem(KINDS, "price_change", EMAIL)
    monkeypatch.setitem(SENDERS, "price_change", partial(email.send, PRICE_CHANGE))
    # In the repository, notifier/core/settings.py declares the setting sendgrid_template_price_change, which holds the
    # template's id at SendGrid.
    templates = {"price_change": "d-price-change"}
    monkeypatch.setattr(SendGridSettings, "template", lambda _, kind: templates[kind])


@pytest.fixture
def price_change(system: System, monkeypatch: pytest.MonkeyPatch) -> Any:
    declare(system, monkeypatch)

    # 5. In notifier/actors/email.py, add the actor, and export it in notifier/__init__.py.
    @delivery_actor(request)
    def price_change(subscriber_id: int, cents: int) -> None:
        """Enqueue a notice about a price change, which costs 2 tokens."""
        enqueue([request(subscriber_id, cents)])

    yield price_change
    dramatiq.get_broker().actors.pop("price_change")


def test_a_new_kind_is_priced_composed_and_sent(system: System, price_change: Any) -> None:
    user = system.subscriber(tokens=10)
    result = price_change.send(user, cents=4900)
    assert price_change.send(user, cents=4900).delivery_id == result.delivery_id
    assert drain_queue(EMAIL) == 1
    assert system.state(result.delivery_id) == "accepted"
    assert system.entries(result.delivery_id) == [("hold", 2), ("settle", 2)]
    (sent,) = system.received("sendgrid")
    (person,) = sent["body"]["personalizations"]
    assert sent["body"]["template_id"] == "d-price-change"
    assert sent["body"]["from"]["email"] == "billing@leads.test"
    assert person["dynamic_template_data"]["new_price"] == "$49.00"
    assert "List-Unsubscribe" in person["headers"]


def test_a_new_kind_has_its_own_retries(system: System, price_change: Any) -> None:
    system.fault("sendgrid", status=503)
    result = price_change.send(system.subscriber(), cents=4900)
    for attempt in (1, 2, 3):
        drain_queue(EMAIL)
        assert system.value("SELECT attempts FROM deliveries WHERE id = %s", result.delivery_id) == attempt
        system.database.connection.execute("UPDATE deliveries SET not_before = now()")
    assert system.state(result.delivery_id) == "dead"
