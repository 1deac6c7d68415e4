"""The ledger and the deliveries still agree after workers die, providers fail and servers restart."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from functools import partial
from itertools import count
from pathlib import Path

import dramatiq
import psycopg
import pytest
import redis

import notifier
from leads import database as leads_database
from local.postgres import StopMode
from local.redis import RedisServer
from local.settings import Sandbox
from notifier.actors.drain import drain_email_workflows, drain_sms_notifications, drain_voice_assistant
from notifier.core import db
from notifier.core.queues import QUEUES
from notifier.deliveries import ledger_check
from notifier.web.health import health
from tests.notifier.system import System, settings_for
from tests.servers.folders import service_folder
from tests.servers.postgres import Database, make_template, running_postgres

#: The notifier's time runs two hundred times faster, so an hour takes 18 s and the longest retry delay takes 16 s.
SCALE = {"NOTIFIER_TIME_SCALE": "0.005", "PROVIDER_TIMEOUT_SECONDS": "1"}
FINAL = {"accepted", "parked", "dead"}


def has_received_texts(system: System, count: int) -> bool:
    return len(system.received("twilio")) >= count


def open_all(system: System, emails: int, texts: int) -> list[int]:
    """Insert subscribers with enough tokens, and enqueue e-mails and texts for them; return the delivery ids."""
    users = [system.subscriber(tokens=10_000) for _ in range(10)]
    leads = [system.lead() for _ in range(max(emails, texts) // 10)]
    rows = [{"subscriber_id": user, "lead_id": lead} for user in users for lead in leads]
    opened = notifier.send_many(notifier.urgent_lead_sms, rows[:texts])
    # Enqueue a few e-mails at a time, so that the worker does not send all of them in one request.
    for first in range(0, emails, 5):
        opened += notifier.send_many(notifier.new_lead_alert, rows[first : first + 5])
    return [one.delivery_id for one in opened]


def check_that_it_adds_up(system: System) -> None:
    """Check the states, charges and dead letters. All deliveries must have reached a final state."""
    found = system.rows("SELECT id, channel, state, tokens FROM deliveries WHERE tokens > 0")
    assert {state for _, _, state, _ in found} <= FINAL
    emails, texts = Counter(system.accepted_emails()), Counter(system.accepted_sms())
    assert max(texts.values(), default=0) <= 1, "a text was accepted twice"
    assert max(emails.values(), default=0) <= 2, "an e-mail was accepted three times"
    ends = "SELECT delivery_id, array_agg(entry) FROM token_entries WHERE entry IN ('settle', 'release') GROUP BY 1"
    ended = dict(system.rows(ends))
    for delivery, channel, state, _ in found:
        times = (emails if channel == "email" else texts)[delivery]
        if state == "accepted":
            assert times >= 1, f"{channel} {delivery} is accepted in the database only"
            # Parking a delivery releases its tokens. The tokens stay released even if proof that the delivery was sent
            # arrives later.
            assert ended[delivery] in (["settle"], ["release"]), f"{channel} {delivery}: {ended[delivery]}"
        else:
            assert ended[delivery] == ["release"], f"{channel} {delivery} is {state}: {ended[delivery]}"
    spent = sum(tokens for delivery, _, _, tokens in found if ended[delivery] == ["settle"])
    assert system.value("SELECT sum(token_balance) FROM users") == 10 * 10_000 - spent
    ended_unsent = sorted(delivery for delivery, _, state, _ in found if state != "accepted")
    letters = system.rows("SELECT delivery_id FROM failed_jobs WHERE state = 'open' ORDER BY 1")
    assert [letter for (letter,) in letters] == ended_unsent
    with leads_database.connect("check") as connection:
        assert ledger_check.check(connection) == []


@pytest.mark.drill
def test_workers_killed_every_two_seconds_under_failing_providers(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in SCALE.items():
        monkeypatch.setenv(name, value)
    for provider in ("sendgrid", "twilio"):
        system.fault(provider, then="hang", seconds=1.5, accept=True, every=17)
        system.fault(provider, then="reset", accept=True, every=13)
        system.fault(provider, then="reset", every=11)
        system.fault(provider, status=503, every=7)
        system.fault(provider, status=429, headers={"Retry-After": "1"}, every=9)
        system.fault(provider, status=500, body={}, accept=True, every=19)
        system.fault(provider, seconds=0.3)
    open_all(system, emails=500, texts=200)
    workers = [system.start_worker() for _ in range(2)]
    for _ in range(10):
        time.sleep(2)
        system.kill(workers.pop(0))
        workers.append(system.start_worker())
    system.heal()
    system.wait_for_rest(seconds=120)
    check_that_it_adds_up(system)
    assert system.states()["accepted"] > 600


@pytest.fixture
def own_system(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[System]:
    """Yield a system with its own PostgreSQL and Redis, so that a test can restart them."""
    with running_postgres(is_durable=True) as postgres, service_folder("redis") as folder:
        template = make_template(postgres)
        postgres.copy_database("own", template)
        with RedisServer(folder) as server, psycopg.connect(postgres.url("own"), autocommit=True) as connection:
            database = Database(postgres.url("own"), connection, postgres)
            for name, value in (settings_for(database, server.url, sandbox) | SCALE).items():
                monkeypatch.setenv(name, value)
            db.close()
            running = System(database, server.url, sandbox, tmp_path)
            running.redis_server = server
            try:
                yield running
            finally:
                running.stop()
                db.close()


@pytest.mark.drill
@pytest.mark.parametrize("server", ["Redis emptied", "Redis restarted", "PostgreSQL crashed"])
def test_queued_deliveries_are_sent_once_whichever_server_restarts(own_system: System, server: str) -> None:
    system = own_system
    system.fault("sendgrid", seconds=0.2)
    system.fault("twilio", seconds=0.5)
    ids = open_all(system, emails=300, texts=150)
    system.start_worker()
    stops: list[StopMode] = ["immediate", "fast", "immediate"]
    for stop in stops:
        sent = len(system.received("twilio"))
        system.wait_until(partial(has_received_texts, system, sent + 21), "some more texts")
        if server == "Redis emptied":
            with redis.Redis.from_url(system.redis_url) as client:
                client.flushall()
        elif server == "Redis restarted":
            assert system.redis_server is not None
            system.redis_server.restart()
        else:
            system.database.server.restart(stop)
            system.connect_again()
    system.wait_for_rest(seconds=90)
    assert Counter(system.accepted_sms()) == Counter(ids[:150])
    if server == "PostgreSQL crashed":
        # If a worker cannot write a delivery's outcome, the delivery's state becomes unknown. An e-mail in that state
        # may be sent twice.
        assert max(Counter(system.accepted_emails()).values()) <= 2
        assert set(system.states()) <= {"accepted", "parked"}
    else:
        assert Counter(system.accepted_emails()) == Counter(ids[150:])
        assert system.states() == {"accepted": 450}
    check_that_it_adds_up(system)


@pytest.mark.drill
def test_every_queue_recovers_after_the_database_had_no_connections(own_system: System) -> None:
    """For 40 seconds, the test keeps closing the workers' database connections and taking all free connections."""
    system = own_system
    for queue in QUEUES:
        system.start_worker(queue, CALL_WINDOW="00:00-23:59")
    system.wait_until(lambda: asyncio.run(health()).status_code == 200, "every queue up")
    # Lookups during the outage may use up a subscriber's unit cap, so they are requested for a second subscriber.
    user, other = system.subscriber(twilio_phone_number="+13055550100"), system.subscriber()
    lead, folios = system.lead(phone_number="+13055550144"), count(3_000_000_000_000)
    script = system.insert("ai_scripts", {"subscriber_id": user, "name": "Spring", "outbound_greeting": "Hello."})
    system.insert("call_consents", {"subscriber_id": user, "phone_number": "+13055550144"})
    assert notifier.lookup(str(next(folios)), user)["source"] == "api"
    ours = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = ANY (%s)"
    with ExitStack() as held:
        until = time.monotonic() + 40
        while time.monotonic() < until:
            system.rows(ours, ["notifier", "maintenance", "listener"])
            with suppress(psycopg.OperationalError):
                while True:
                    held.enter_context(psycopg.connect(system.database.url, application_name="greedy"))
            for drain_actor in (drain_email_workflows, drain_sms_notifications, drain_voice_assistant):
                drain_actor.send()
            broker = dramatiq.get_broker()
            broker.enqueue(notifier.property_lookup.message(str(next(folios)), other))
            time.sleep(0.2)
        assert asyncio.run(health()).status_code == 503
    released = time.monotonic()
    system.wait_until(lambda: asyncio.run(health()).status_code == 200, "every queue up again", 15)
    assert notifier.lookup(str(next(folios)), user, timeout=10)["source"] == "api"
    notifier.outbound_call.send(user, lead, script, "after the outage")
    notifier.new_lead_alert.send(user, lead)
    notifier.urgent_lead_sms.send(user, lead)
    system.wait_for_rest()
    assert system.states() == {"accepted": 3}
    assert time.monotonic() - released < 15, "seconds from the first free connection to the last delivery"
