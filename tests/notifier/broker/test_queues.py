"""A queue runs as many messages at once as its limit allows, and survives dead workers, outages and bad messages."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import dramatiq
import psutil  # type: ignore[import-untyped]
import pytest
import redis
from psycopg.rows import dict_row

from local.redis import RedisServer
from notifier.broker import heartbeat
from notifier.broker.redis_broker import MAX_DELAYED, make_broker
from notifier.core import db
from tests.notifier.county_api import CountyApi
from tests.notifier.system import System
from tests.servers.folders import service_folder
from tests.servers.postgres import Database

QUEUE = "api-property-lookup"
KEY = f"dramatiq:{QUEUE}"


def folios(count: int) -> Iterator[str]:
    """Yield folios that are not in the database, so that each lookup calls the county's API."""
    return map(str, itertools.islice(itertools.count(3_000_000_000_000), count))


def look_up(system: System, count: int = 1, first: int = 0) -> list[str]:
    """Look up ``count`` folios concurrently; return each answer's source."""
    import notifier

    user = system.subscriber()
    with ThreadPoolExecutor(count) as pool:
        wanted = itertools.islice(folios(first + count), first, None)
        return [one["source"] for one in pool.map(lambda folio: notifier.lookup(folio, user), wanted)]


def send(folio: str, user: int) -> int:
    """Request a lookup without waiting for the answer; return the lookup's id."""
    import notifier

    asked = notifier.property_lookup.send(folio, user)
    assert asked.lookup_id is not None
    return asked.lookup_id


@pytest.fixture
def own_redis(notifier_settings: pytest.MonkeyPatch, system: System) -> Iterator[RedisServer]:
    """Yield a Redis server that only this test uses, so that the test may stop and empty it."""
    with service_folder("redis") as folder, RedisServer(folder) as server:
        notifier_settings.setenv("REDIS_URL", server.url)
        dramatiq.get_broker().close()
        yield server
        system.stop()


def in_flight(county_api: CountyApi, seconds: float) -> int:
    """Return the largest number of concurrent calls to the county's API. Each call took ``seconds`` seconds."""
    ends = [call["at"] for call in county_api.calls()]
    return max(sum(1 for end in ends if end - seconds < moment <= end) for moment in ends)


def test_a_queue_uses_its_full_concurrency_and_no_more(county_api: CountyApi, system: System) -> None:
    """A worker process for all queues has more threads than one queue may use."""
    county_api.fault(seconds=0.4)
    system.start_worker()
    assert look_up(system, 25) == ["api"] * 25
    assert in_flight(county_api, 0.4) == 10


def test_a_lookup_does_not_wait_for_email(county_api: CountyApi, system: System) -> None:
    """In one process for all queues, lookups still get threads while fifty slow e-mail requests are running."""
    import notifier

    system.fault("sendgrid", seconds=5)
    user = system.subscriber()
    for _ in range(60):
        notifier.new_lead_alert.send(user, system.lead())
    system.start_worker()
    system.wait_until(lambda: "sending" in system.states(), "e-mails under way")
    began = time.monotonic()
    assert look_up(system, 3) == ["api"] * 3
    assert time.monotonic() - began < 2


def test_a_lookup_whose_message_was_lost_is_woken_again(
    county_api: CountyApi, system: System, own_redis: RedisServer
) -> None:
    from notifier.lookups import client

    asked = client.request_lookup(next(folios(1)), system.subscriber())
    assert asked.lookup_id is not None
    system.start_worker(QUEUE)
    system.wait_until(lambda: client.result(asked.lookup_id or 0), "an answer without a message")
    with redis.Redis.from_url(own_redis.url) as own:
        own.flushall()
    assert look_up(system, 12, first=1) == ["api"] * 12
    assert len(county_api.calls()) == 13


def test_a_worker_continues_when_redis_is_back(county_api: CountyApi, system: System, own_redis: RedisServer) -> None:
    system.start_worker(QUEUE)
    assert look_up(system) == ["api"]
    own_redis.stop()
    from notifier.lookups import client

    user = system.subscriber()
    began = time.monotonic()
    asked = send(next(itertools.islice(folios(2), 1, None)), user)
    assert time.monotonic() - began < 2, "a sender does not wait for Redis"
    own_redis.start()
    system.wait_until(lambda: client.result(asked), "an answer")
    assert look_up(system, 12, first=2) == ["api"] * 12


def test_a_lookup_whose_worker_is_killed_is_taken_by_another(county_api: CountyApi, system: System) -> None:
    from notifier.lookups import client

    county_api.fault(seconds=20, times=1)
    worker = system.start_worker(QUEUE)
    asked = send(next(folios(1)), system.subscriber())
    state = "SELECT state FROM lookups"
    system.wait_until(lambda: system.value(state) == "asking", "the first call")
    system.kill(worker)
    system.rows("UPDATE lookups SET asked_at = asked_at - interval '10 seconds' RETURNING id")
    system.start_worker(QUEUE)
    system.wait_until(lambda: client.result(asked), "an answer")
    assert system.value("SELECT units_consumed FROM lookups") >= 2, "the killed worker's unit may have been spent"


def test_a_worker_told_to_stop_finishes_its_lookups_and_leaves_the_rest(
    county_api: CountyApi, system: System, redis_url: str
) -> None:
    county_api.fault(seconds=1)
    worker = system.start_worker(QUEUE)
    user = system.subscriber()
    for folio in folios(15):
        send(folio, user)
    count = "SELECT count(*) FROM lookups WHERE state = %s"
    system.wait_until(lambda: system.value(count, "asking") == 10, "ten under way")
    os.kill(worker.pid, signal.SIGTERM)
    assert worker.wait(timeout=30) == 0
    assert system.value(count, "answered") == 10
    assert system.value(count, "queued") == 5
    system.start_worker(QUEUE)
    system.wait_until(lambda: system.value(count, "answered") == 15, "the rest")
    assert len(county_api.calls()) == 15


def encoded(options: object = None, **parts: object) -> bytes:
    """Return an encoded message for ``property_lookup``.

    ``options`` and ``parts`` replace the message's usual values.
    """
    message: dict[str, object] = {
        "queue_name": QUEUE,
        "actor_name": "property_lookup",
        "args": [],
        "kwargs": {"bytes": 1},
        "options": {"redis_message_id": "bad"} | options if isinstance(options, dict) else options,
        "message_id": "1",
        "message_timestamp": 1,
    }
    return json.dumps(message | parts).encode()


IN_2100 = 4_102_444_800_000
MALFORMED = [
    b"\xff\xfe not a message",
    b"[]",
    b"{}",
    b"[" * 100_000,
    encoded({}, queue_name="of-somebody-else"),
    encoded({}, queue_name=["a"]),
    encoded({}, actor_name=["a"]),
    encoded({}, actor_name={}),
    encoded({}, actor_name="nul\0"),
    encoded({}, actor_name="no such actor"),
    encoded({}, args=1),
    encoded({}, kwargs=[1]),
    encoded({}, message_id={"a": 1}),
    encoded({}, message_timestamp="yesterday"),
    encoded([]),
    encoded({"redis_message_id": {"a": 1}}),
    encoded({"eta": "soon"}),
    encoded({"eta": float("nan")}),
    encoded({"retries": "three"}),
    encoded({"retries": 10**12}),
    encoded({"retries": -1}),
    encoded({}, message_id="".join(map(chr, range(0x4E00, 0x5E00)))),
    encoded({}, actor_name="actor" * 1_000),
    encoded({"max_retries": 10**400}),
    encoded({"time_limit": []}),
    encoded({"time_limit": 1}),
    encoded({"throws": ["ValueError"]}),
    *[encoded({"eta": IN_2100, "redis_message_id": f"bad{number}"}) for number in range(50)],
]


def test_messages_of_odd_types_or_far_dates_are_rejected_and_the_other_messages_run(
    county_api: CountyApi, system: System, redis_url: str
) -> None:
    user = system.subscriber()
    with redis.Redis.from_url(redis_url) as client:
        for number, data in enumerate(MALFORMED):
            # Redis stores a well-formed message under the id that the message contains.
            name = f"bad{number - len(MALFORMED) + 50}" if number >= len(MALFORMED) - 50 else f"odd{number}"
            data = data.replace(b'"bad"', f'"odd{number}"'.encode())
            client.hset(f"{KEY}.msgs", name, data)
            client.rpush(KEY, name)
        for folio in folios(12):
            send(folio, user)
        worker = system.start_worker(QUEUE)
        answered = "SELECT count(*) FROM lookups WHERE state = 'answered'"
        system.wait_until(lambda: system.value(answered) == 12, "the other lookups")
        system.wait_until(lambda: client.zcard(f"{KEY}.XQ") == len(MALFORMED), "all of them rejected")
        system.wait_until(lambda: client.hlen(f"{KEY}.msgs") == 0, "nothing left behind")
        dead = "SELECT count(*) FROM failed_jobs WHERE job_name IN ('undecodable', 'no such actor')"
        system.wait_until(lambda: system.value(dead) == len(MALFORMED), "a dead letter for each")
        assert system.value("SELECT count(*) FROM failed_jobs") == len(MALFORMED)
        system.kill(worker, signal.SIGTERM)
    assert "Traceback" not in system.output()
    assert "unexpected" not in system.output()


def test_a_message_delayed_until_2100_does_not_hold_up_retries(
    county_api: CountyApi, system: System, redis_url: str
) -> None:
    """A worker keeps at most MAX_DELAYED delayed messages in memory, so it rejects messages due in the far future."""
    delayed = f"{QUEUE}.DQ"
    with redis.Redis.from_url(redis_url) as client:
        for number in range(MAX_DELAYED):
            options = {"eta": IN_2100, "redis_message_id": f"far{number}"}
            client.hset(f"dramatiq:{delayed}.msgs", f"far{number}", encoded(options, queue_name=delayed))
            client.rpush(f"dramatiq:{delayed}", f"far{number}")
        county_api.fault(status=503, times=1)
        system.start_worker(QUEUE)
        assert look_up(system) == ["api"]
        system.wait_until(lambda: client.zcard(f"{KEY}.XQ") == MAX_DELAYED, "all of them rejected", 60)


def test_a_queue_whose_consumer_does_not_poll_has_no_heartbeat(
    database: Database, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat.activity, "_started_at", time.monotonic() - heartbeat.POLL_SECONDS)
    monkeypatch.setattr(heartbeat.activity, "_polled_at", {})
    polling = make_broker(lambda: redis_url).consume(QUEUE)

    def beats() -> list[str]:
        database.connection.execute("DELETE FROM lane_status")
        heartbeat.beat(database.connection.cursor(row_factory=dict_row), [QUEUE])
        return [name for (name,) in database.connection.execute("SELECT queue_name FROM lane_status")]

    assert beats() == []
    next(polling)
    assert beats() == [QUEUE]


@pytest.mark.parametrize("seconds", [-7200, 7200])
def test_on_call_is_alerted_once_when_a_clock_is_wrong_and_when_it_is_right_again(
    system: System, monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    heartbeat.activity.polled(QUEUE)
    with db.transaction() as cursor, monkeypatch.context() as wrong:
        wrong.setattr(time, "time", lambda right=time.time: right() + seconds)
        for _ in range(3):
            heartbeat.beat(cursor, [QUEUE])
    (alert,) = system.received("oncall")
    assert "differs from the database's by 7200 s" in alert["body"]["title"]
    with db.transaction() as cursor:
        heartbeat.beat(cursor, [QUEUE])
    assert "recovered" in system.received("oncall")[-1]["body"]["title"]


@pytest.mark.drill
def test_a_backlog_of_email_does_not_slow_down_lookups() -> None:
    """Each of three runs sends 20,000 alerts with one process per queue. The providers answer after 50 ms."""
    from bench.notifier_lookups import beside_email, median_p95
    from bench.notifier_system import make_leads, system

    with system() as connection:
        user = make_leads(connection, 1, 1)[0]["subscriber_id"]
        assert median_p95([beside_email(connection, user, 20_000) for _ in range(3)]) < 0.150


@pytest.mark.drill
def test_an_idle_queue_costs_little_and_wakes_at_once(county_api: CountyApi, system: System) -> None:
    import notifier

    worker = psutil.Process(system.start_worker(QUEUE, MIAMI_DADE_SUBSCRIBER_UNIT_CAP="1000").pid)
    assert look_up(system) == ["api"]
    processes = [worker, *worker.children(recursive=True)]
    spent = -sum(sum(one.cpu_times()[:2]) for one in processes)
    time.sleep(10)
    spent += sum(sum(one.cpu_times()[:2]) for one in processes)
    assert spent / 10 < 0.05, "an idle worker uses less than 5 percent of a core"
    user = system.subscriber()
    waits = []
    for folio in itertools.islice(folios(101), 1, None):
        time.sleep(0.05)
        began = time.monotonic()
        notifier.lookup(folio, user)
        waits.append(time.monotonic() - began)
    assert sorted(waits)[50] < 0.025, "polling would take longer"


def test_a_process_for_e_mails_alone_yields_the_processor(system: System) -> None:
    """A process that also serves another queue keeps its priority."""
    own = psutil.Process().nice()
    alone = system.start_worker("email-workflows")
    mixed = system.start_worker("email-workflows", "sms-notifications")

    def niceness(worker: subprocess.Popen[bytes]) -> int:
        return max(int(one.nice()) for one in psutil.Process(worker.pid).children(recursive=True))

    beats = "SELECT count(*) FROM lane_status"
    system.wait_until(lambda: system.value(beats) == 3, "both workers run")
    assert niceness(alone) == max(own, 10)
    assert niceness(mixed) == own
