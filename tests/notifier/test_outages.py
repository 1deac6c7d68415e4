"""If Redis fails or a worker stops, no delivery is lost or sent twice, and no caller waits long."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from threading import Thread
from typing import Any

import psycopg
import pytest
import redis

import notifier
from notifier.actors import drain
from notifier.broker import wakeups
from notifier.core import db
from notifier.core.queues import EMAIL, SMS
from notifier.deliveries import lifecycle
from notifier.providers import sendgrid, twilio
from tests.notifier.system import System
from tests.servers.sandbox import reset_sandbox


@pytest.mark.parametrize("how", ["no server listens", "it never answers"])
def test_without_redis_a_send_succeeds_at_once(system: System, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if how == "it never answers":
            listener.listen()
        monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{listener.getsockname()[1]}/0")
        monkeypatch.setattr(wakeups, "_retry_at", 0.0)
        user, lead = system.subscriber(), system.lead()
        notifier.new_lead_alert.send(user, lead)
        for _ in range(5):
            began = time.monotonic()
            notifier.urgent_lead_sms.send(user, system.lead())
            assert time.monotonic() - began < 1
    monkeypatch.setattr(wakeups, "_retry_at", 0.0)
    assert system.states() == {"queued": 6}
    system.start_worker(REDIS_URL=system.redis_url)
    system.wait_until(lambda: system.states() == {"accepted": 6}, "the leader to wake the queue")


def test_an_attempt_starts_within_two_seconds_of_its_time(system: System) -> None:
    """The test shortens retry delays to a tenth, so an e-mail is due again after 0.5 s, then after 2.5 s."""
    user, lead = system.subscriber(), system.lead()
    system.fault("sendgrid", status=503, times=2)
    system.start_worker(NOTIFIER_TIME_SCALE="0.1")
    system.wait_until(lambda: system.rows("SELECT FROM lane_status"), "a heartbeat")
    notifier.new_lead_alert.send(user, lead)
    system.wait_until(lambda: system.states() == {"accepted": 1}, "the third try")
    first, second, third = [request["at"] for request in system.received("sendgrid")]
    assert 0.5 <= second - first < 2.5 + 0.5
    assert 2.5 <= third - second < 4.5 + 0.5


def test_a_stopped_worker_finishes_its_claim_and_leaves_the_rest_queued(system: System) -> None:
    leads, user = [system.lead() for _ in range(200)], system.subscriber(tokens=5000)
    system.fault("twilio", seconds=0.5)
    rows = [{"subscriber_id": user, "lead_id": lead} for lead in leads]
    notifier.send_many(notifier.urgent_lead_sms, rows)
    worker = system.start_worker("sms-notifications")
    system.wait_until(lambda: len(system.received("twilio")) > 0, "the first text accepted")
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=30) == 0
    states = system.states()
    assert set(states) == {"accepted", "queued"}
    assert states["accepted"] == len(system.accepted_sms_numbers())
    assert states["queued"] > 0
    assert system.rows("SELECT * FROM lane_status") == []


def test_no_personal_data_is_in_redis_or_in_the_output_of_workers(system: System) -> None:
    person: dict[str, Any] = {"email": "jane.roe@example.test", "phone_number": "+13055550199", "first_name": "Jane"}
    user = system.subscriber(**person)
    words = ["jane.roe", "3055550199", "482913", "GARCIA", "SG.test", "twilio-token-of-the-tests"]
    system.fault("sendgrid", status=400, body={"errors": [{"message": "jane.roe@example.test", "field": "x"}]}, times=1)
    system.fault("twilio", status=400, body={"code": 21614, "message": "+13055550199"}, times=1)
    system.fault("twilio", then="reset", times=1)
    for _ in range(2):
        notifier.new_lead_alert.send(user, system.lead())
        notifier.urgent_lead_sms.send(user, system.lead())
    notifier.verification_sms.send(user, "482913")
    with redis.Redis.from_url(system.redis_url) as client:
        stored = [repr(client.dump(key)) + repr(_content(client, key)) for key in client.keys("*")]
        assert stored, "Redis contains at least wake-ups"
        system.start_worker()
        waiting = "SELECT count(*) FROM deliveries WHERE state IN ('queued', 'sending')"
        system.wait_until(lambda: system.value(waiting) == 0, "everything tried")
        stored += [repr(_content(client, key)) for key in client.keys("*")]
    system.kill(system._workers[0], signal.SIGTERM)
    texts = {
        "Redis": "".join(stored),
        "worker output": system.output(),
        "failed_jobs": str(system.rows("SELECT * FROM failed_jobs")),
        "events and alerts": str(system.received("oncall")),
    }
    assert [(place, word) for place, text in texts.items() for word in words if word in text] == []
    assert system.output().strip(), "the worker logs something"


def _content(client: redis.Redis, key: bytes) -> object:
    match client.type(key):
        case b"hash":
            return client.hgetall(key)
        case b"list":
            return client.lrange(key, 0, -1)
        case b"zset":
            return client.zrange(key, 0, -1)
        case b"set":
            return client.smembers(key)
        case _:
            return client.get(key)


def test_a_heartbeat_reports_what_waits_and_what_is_being_sent(system: System) -> None:
    user = system.subscriber(tokens=5000)
    rows = [{"subscriber_id": user, "lead_id": system.lead()} for _ in range(100)]
    notifier.send_many(notifier.urgent_lead_sms, rows)
    system.fault("twilio", seconds=3)
    system.start_worker("sms-notifications", PROVIDER_TIMEOUT_SECONDS="10")
    heartbeat = "SELECT waiting, active FROM lane_status WHERE queue_name = 'sms-notifications'"
    system.wait_until(lambda: any(a == 20 and w > 0 for w, a in system.rows(heartbeat)), "20 sending, more waiting")
    with redis.Redis.from_url(system.redis_url) as client:
        assert len(client.client_list()) <= 50, "one process uses at most 50 connections"


def test_all_workers_wait_when_the_provider_asks_for_it(system: System) -> None:
    """Twilio's response to two processes, each with 20 threads, is status 429 with "Retry-After: 2".

    After the current requests have ended, the two processes together make only one trial every 2 s.
    """
    system.fault("twilio", status=429, headers={"Retry-After": "2"})
    user, leads = system.subscriber(tokens=5000), [system.lead() for _ in range(100)]
    for _ in range(2):
        system.start_worker("sms-notifications", NOTIFIER_TIME_SCALE="1")
    system.wait_until(lambda: len(system.rows("SELECT FROM lane_status")) == 2, "both workers")
    notifier.send_many(notifier.urgent_lead_sms, [{"subscriber_id": user, "lead_id": lead} for lead in leads])
    system.wait_until(lambda: system.received("twilio"), "the first request")
    time.sleep(7)
    moments = sorted(request["at"] for request in system.received("twilio"))
    trials = [moment for moment in moments if moment > moments[0] + 1]
    assert len(moments) - len(trials) <= 40
    assert 2 <= len(trials) <= 3
    assert all(later - earlier > 1.9 for earlier, later in pairwise(trials))
    system.heal()
    system.wait_until(lambda: system.states() == {"accepted": 100}, "all texts sent")
    assert system.value("SELECT max(attempts) FROM deliveries") == 1


def test_a_claim_whose_commit_was_not_confirmed_is_requeued(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker committed the claim but sent nothing.

    If the text were not requeued, it would be parked after an hour.
    """
    opened = notifier.urgent_lead_sms.send(system.subscriber(), system.lead())

    @contextmanager
    def unconfirmed() -> Iterator[Any]:
        with db.pipeline() as connection:
            yield connection
        raise psycopg.OperationalError

    with monkeypatch.context() as patch, pytest.raises(psycopg.OperationalError):
        patch.setattr(lifecycle, "pipeline", unconfirmed)
        drain.drain_queue(SMS)
    assert system.state(opened.delivery_id) == "sending"
    with db.transaction() as cursor:
        lifecycle.requeue_unconfirmed_claims(cursor)
    drain.drain_queue(SMS)
    assert system.rows("SELECT state, attempts FROM deliveries") == [("accepted", 1)]


def test_a_bug_before_sending_costs_an_attempt_but_not_the_delivery(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sendgrid, "request", lambda *_: 1 / 0)
    notifier.new_lead_alert.send(system.subscriber(), system.lead())
    drain.drain_queue(EMAIL)
    assert system.rows("SELECT state, attempts, error_code, error_message FROM deliveries") == [
        ("queued", 1, "our_error", "ZeroDivisionError")
    ]


def test_a_bug_after_sending_never_sends_again(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = twilio.send_sms

    def broken(*arguments: Any, **options: Any) -> str:
        sent(*arguments, **options)
        raise KeyError("sid")

    monkeypatch.setattr(twilio, "send_sms", broken)
    notifier.urgent_lead_sms.send(system.subscriber(), system.lead())
    drain.drain_queue(SMS)
    assert system.rows("SELECT state, error_code FROM deliveries") == [("unknown", "our_error")]
    assert len(system.accepted_sms_numbers()) == 1


def test_the_app_alerts_on_call_through_redis_or_without_it(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    words = {"severity": "warning", "message": "Jane Roe waits", "action_required": "Call +13055550199"}
    notifier.admin_alert.send(subject="through Redis", **words)
    with redis.Redis.from_url(system.redis_url) as client:
        stored = "".join(repr(_content(client, key)) for key in client.keys("*"))
    assert "admin_alert" in stored
    assert not any(word in stored for word in ("through Redis", "Jane", "3055550199")), (
        "the alert is encrypted, because it may name a person"
    )
    system.start_worker("admin-alerts")
    system.wait_until(lambda: len(system.received("oncall")) == 1, "the worker to alert on-call")
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    notifier.admin_alert.send(subject="without it", **words)
    alerts = [str(request["body"]) for request in system.received("oncall")]
    assert [("without it" in one, "+13055550199" in one) for one in alerts] == [(False, True), (True, True)]


def test_requests_from_before_a_reset_of_the_sandbox_are_not_counted(system: System) -> None:
    system.fault("twilio", seconds=1)
    notifier.urgent_lead_sms.send(system.subscriber(), system.lead())
    worker = Thread(target=drain.drain_queue, args=(SMS,))
    worker.start()
    system.wait_until(lambda: system.rows("SELECT 1 FROM deliveries WHERE state = 'sending'"), "the text under way")
    time.sleep(0.3)
    reset_sandbox(system.sandbox)
    worker.join()
    assert system.rows("SELECT state FROM deliveries") == [("accepted",)]
    assert system.accepted_sms_numbers() == []
