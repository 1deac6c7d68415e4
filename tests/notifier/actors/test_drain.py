"""A message for a drain actor makes the worker send all due deliveries. The actor's previous name also works."""

from __future__ import annotations

import time
from typing import Any

import dramatiq
import pytest
import redis

import notifier
from notifier.actors import drain
from notifier.broker import wakeups
from notifier.channels import sms_reconciliation
from notifier.core.queues import EMAIL, SMS, VOICE, Queue
from notifier.deliveries import commits
from notifier.maintenance.leader import LEADER_LOCK
from tests.notifier.system import System


def put_into_redis(system: System, queue: Queue, actor_name: str) -> None:
    """Put a message for an actor into Redis in the format that every release's workers use."""
    message: dramatiq.Message[Any] = dramatiq.Message(
        queue_name=queue.queue_name,
        actor_name=actor_name,
        args=(),
        kwargs={},
        options={"redis_message_id": "wake-up"},
    )
    with redis.Redis.from_url(system.redis_url) as client:
        client.hset(f"dramatiq:{queue.queue_name}.msgs", "wake-up", message.encode())
        client.rpush(f"dramatiq:{queue.queue_name}", "wake-up")


@pytest.mark.parametrize("queue", [EMAIL, SMS], ids=lambda queue: queue.queue_name)
@pytest.mark.parametrize("prefix", ["drain", "ring"])
def test_a_wake_up_drains_its_queue_and_leaves_no_dead_letter(system: System, queue: Queue, prefix: str) -> None:
    """The previous release's workers send messages to actors whose names begin with ``ring_``.

    The test holds the leader's lock, so no leader can wake the queue.
    """
    system.rows("SELECT pg_advisory_lock(hashtext(%s))", LEADER_LOCK)
    user, lead = system.subscriber(), system.lead()
    (notifier.new_lead_alert if queue is EMAIL else notifier.urgent_lead_sms).send(user, lead)
    with redis.Redis.from_url(system.redis_url) as client:
        client.flushall()
    put_into_redis(system, queue, f"{prefix}_{queue.queue_name.replace('-', '_')}")
    system.start_worker(queue.queue_name)
    system.wait_until(lambda: system.states() == {"accepted": 1}, "the delivery sent")
    assert system.rows("SELECT * FROM failed_jobs") == []


@pytest.mark.parametrize(
    ("queue", "actor_name"),
    [
        (VOICE, "drain_voice_assistant"),
        (VOICE, "ring_voice_assistant"),
        (SMS, "reconcile_sms"),
        (SMS, "reconcile_texts"),
    ],
)
def test_a_wake_up_with_nothing_to_do_is_acknowledged(system: System, queue: Queue, actor_name: str) -> None:
    put_into_redis(system, queue, actor_name)
    system.start_worker(queue.queue_name)
    with redis.Redis.from_url(system.redis_url) as client:
        system.wait_until(lambda: not client.exists(f"dramatiq:{queue.queue_name}.msgs"), "the message acknowledged")
        assert not client.exists(f"dramatiq:{queue.queue_name}.XQ")
    assert system.rows("SELECT * FROM failed_jobs") == []


def test_a_stopping_worker_makes_no_new_claim(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    notifier.urgent_lead_sms.send(system.subscriber(), system.lead())
    broker = dramatiq.get_broker()
    try:
        for middleware in broker.middleware:
            if isinstance(middleware, drain.StopDraining):
                middleware.before_worker_shutdown(broker, dramatiq.Worker(broker))
        assert drain.drain_queue(SMS) == 0
    finally:
        drain.stopping.clear()
    assert system.states() == {"queued": 1}
    assert drain.drain_queue(SMS) == 1


def test_a_wake_up_ends_in_time_and_wakes_the_queue_again(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wakeups, "WAKEUP_SECONDS", 1)
    system.fault("twilio", seconds=0.4)
    user = system.subscriber()
    for _ in range(10):
        notifier.urgent_lead_sms.send(user, system.lead())
    with redis.Redis.from_url(system.redis_url) as client:
        client.flushall()
        began = time.monotonic()
        drain.drain_queue(SMS)
        assert time.monotonic() - began < 3
        assert client.llen("dramatiq:sms-notifications") == 1
    assert set(system.states()) == {"accepted", "queued"}, "the claim in hand was finished"
    system.start_worker("sms-notifications")
    system.wait_until(lambda: system.states() == {"accepted": 10}, "the rest to be sent")
    assert system.rows("SELECT * FROM failed_jobs") == []


def test_asking_about_sms_ends_in_time(system: System) -> None:
    user = system.subscriber()
    for _ in range(3):
        notifier.urgent_lead_sms.send(user, system.lead())
    drain.drain_queue(SMS)
    system.database.connection.execute("UPDATE deliveries SET updated_at = updated_at - interval '2 hours'")
    assert sms_reconciliation.reconcile_sms(seconds=-1) == 0
    assert sms_reconciliation.reconcile_sms() == 3


def test_the_time_of_a_wake_up_leaves_time_for_the_claim_in_hand() -> None:
    from notifier.broker.redis_broker import TEN_MINUTES_MS

    assert wakeups.WAKEUP_SECONDS + commits.RECORD_TIMEOUT + 5 * 60 < TEN_MINUTES_MS / 1000
