"""A delivery that is enqueued with an actor's ``send`` reaches the provider through a real worker."""

from __future__ import annotations

import inspect
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import dramatiq
import pytest

import notifier
from notifier.actors.delivery import DeliveryActor
from notifier.core.errors import UnknownRecipient
from notifier.core.queues import KINDS
from tests.notifier.system import System


def test_an_alert_goes_out_and_is_paid_once(system: System) -> None:
    user, lead = system.subscriber(tokens=20), system.lead()
    system.start_worker()
    email = notifier.new_lead_alert.send(subscriber_id=user, lead_id=lead)
    text = notifier.urgent_lead_sms.send(user, lead)
    system.wait_for_rest()
    assert system.states() == {"accepted": 2}
    assert system.entries(email.delivery_id) == [("hold", 1), ("settle", 1)]
    assert system.entries(text.delivery_id) == [("hold", 10), ("settle", 10)]
    assert system.balance(user) == 9
    assert system.accepted_emails() == [email.delivery_id]
    (sms,) = system.received("twilio")
    assert sms["body"]["Body"].startswith("Probate lead (score 95): 1200 NW 7 ST, Miami https://app.leads.test/leads/")
    assert sms["body"]["StatusCallback"].startswith("https://hooks.leads.test/twilio/sms/status?delivery_id=")


def test_twenty_requests_at_once_are_one_alert(system: System) -> None:
    user, lead = system.subscriber(tokens=20), system.lead()
    system.start_worker()
    with ThreadPoolExecutor(20) as threads:
        opened = list(threads.map(lambda _: notifier.urgent_lead_sms.send(user, lead), range(20)))
    assert len({one.delivery_id for one in opened}) == 1
    assert [one.is_new for one in opened].count(True) == 1
    system.wait_for_rest()
    assert len(system.accepted_sms_numbers()) == 1
    assert system.entries(opened[0].delivery_id) == [("hold", 10), ("settle", 10)]


def test_a_balance_for_six_texts_sends_six_of_fifty(system: System) -> None:
    user = system.subscriber(tokens=60)
    leads = [system.lead() for _ in range(50)]
    system.start_worker("sms-notifications")
    with ThreadPoolExecutor(25) as threads:
        list(threads.map(lambda lead: notifier.urgent_lead_sms.send(user, lead), leads))
    system.wait_for_rest()
    assert system.states() == {"accepted": 6, "skipped": 44}
    assert len(system.accepted_sms_numbers()) == 6
    assert system.balance(user) == 0


def test_many_deliveries_are_enqueued_at_once_and_sent_in_batches(system: System) -> None:
    users, leads = [system.subscriber() for _ in range(3)], [system.lead() for _ in range(200)]
    rows = [{"subscriber_id": user, "lead_id": lead} for user in users for lead in leads]
    opened = notifier.send_many(notifier.new_lead_alert, [*rows, rows[0]])
    assert [one.is_new for one in opened] == [True] * 600 + [False]
    system.start_worker("email-workflows")
    system.wait_for_rest()
    assert sorted(system.accepted_emails()) == sorted({one.delivery_id for one in opened})
    assert len(system.received("sendgrid")) < 10


def test_a_later_alert_waits(system: System) -> None:
    user, lead = system.subscriber(), system.lead()
    later = notifier.new_lead_alert.send_with_options(args=(user, lead), delay=3_600_000)
    wait = system.value("SELECT not_before - created_at FROM deliveries WHERE id = %s", later.delivery_id)
    assert wait.total_seconds() == 3600


@pytest.mark.parametrize("missing", ["subscriber_id", "lead_id"])
def test_an_unknown_subscriber_or_lead_enqueues_nothing(system: System, missing: str) -> None:
    known = {"subscriber_id": system.subscriber(), "lead_id": system.lead()}
    with pytest.raises(UnknownRecipient, match=missing):
        notifier.new_lead_alert.send(**known | {missing: 4711})
    assert system.states() == {}


def test_a_message_by_name_enqueues_its_delivery(system: System) -> None:
    """Another program puts the message into Redis without calling the actor, so the delivery has no row yet."""
    import redis
    from dramatiq.brokers.redis import RedisBroker

    user, lead = system.subscriber(), system.lead()
    other_broker = RedisBroker(client=redis.Redis.from_url(system.redis_url))  # type: ignore[no-untyped-call]
    other_broker.enqueue(
        dramatiq.Message(
            queue_name="email-workflows",
            actor_name="new_lead_alert",
            args=(),
            kwargs={"subscriber_id": user, "lead_id": lead},
            options={},
        )
    )
    system.start_worker()
    system.wait_until(lambda: system.states() == {"accepted": 1}, "the alert sent")
    other_broker.close()


def test_the_leader_wakes_the_queue_of_a_row_written_in_sql(system: System) -> None:
    user, lead = system.subscriber(), system.lead()
    system.start_worker()
    system.wait_until(lambda: system.rows("SELECT FROM lane_status"), "the worker's first heartbeat")
    system.rows(
        "SELECT * FROM open_deliveries(ARRAY[ROW ('new_lead_alert', %s, %s, 'k', 95, NULL, NULL, NULL)"
        "::delivery_request])",
        user,
        lead,
    )
    system.wait_until(lambda: system.states() == {"accepted": 1}, "the leader to wake the queue", seconds=10)
    waited = system.value("SELECT accepted_at - created_at FROM deliveries")
    assert waited.total_seconds() < 3


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_delivery_actor_is_an_actor_like_any_other(kind: str) -> None:
    """A delivery actor has the function and options that Dramatiq expects, and builds the same kind of messages."""
    actor = getattr(notifier, kind)
    assert isinstance(actor, DeliveryActor)
    assert (actor.fn.__name__, actor.actor_name, actor.__doc__) == (kind, kind, actor.fn.__doc__)
    takes = inspect.signature(actor.fn)
    assert takes.return_annotation == "None", "the function that a worker runs returns None"
    assert takes.parameters == inspect.signature(actor.build_request).parameters
    assert actor.options["max_retries"] == 5
    message = actor.message(*range(len(takes.parameters)))
    assert isinstance(message, dramatiq.Message)
    assert (message.actor_name, message.queue_name) == (kind, KINDS[kind].queue_name)


def test_an_actors_function_enqueues_the_same_delivery_as_send(system: System) -> None:
    user, lead = system.subscriber(), system.lead(phone_number=None)
    assert notifier.welcome_email(user) is None
    assert not notifier.welcome_email.send(user).is_new
    assert notifier.outbound_call(user, lead, 1, "r-1") is None
    again = notifier.outbound_call.send(user, lead, 1, "r-1")
    assert (again.is_new, again.state) == (False, "failed"), "a lead without a phone number fails at once"


def test_a_delay_may_be_a_number_or_a_timedelta(system: System) -> None:
    user = system.subscriber()
    for lead, delay in ((system.lead(), 90_000), (system.lead(), timedelta(seconds=90))):
        later = notifier.urgent_lead_sms.send_with_options(kwargs={"subscriber_id": user, "lead_id": lead}, delay=delay)
        assert later.is_new
    assert system.rows("SELECT DISTINCT not_before - created_at FROM deliveries") == [(timedelta(seconds=90),)]
