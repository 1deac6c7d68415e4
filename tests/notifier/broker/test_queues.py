"""A lane takes what it may run at once and no more; it outlives workers, Redis and bytes that are no message."""

from __future__ import annotations

import itertools
import json
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import dramatiq
import psutil  # type: ignore[import-untyped]
import pytest
import redis
from dramatiq.brokers.redis import RedisBroker

from local.redis import RedisServer
from tests.notifier.county_api import CountyApi
from tests.notifier.system import System
from tests.services import service_folder

LANE = "api-property-lookup"
QUEUE = f"dramatiq:{LANE}"


def folios(count: int) -> Iterator[str]:
    """Folios of nobody, for each of which the county is asked."""
    return map(str, itertools.islice(itertools.count(3_000_000_000_000), count))


def look_up(system: System, count: int = 1, first: int = 0) -> list[str]:
    """Looks that many folios up at once; returns their sources."""
    import notifier

    user = system.subscriber()
    with ThreadPoolExecutor(count) as pool:
        wanted = itertools.islice(folios(first + count), first, None)
        return [one["source"] for one in pool.map(lambda folio: notifier.lookup(folio, user), wanted)]


def send(folio: str, user: int) -> int:
    """Asks without waiting; returns the lookup's id."""
    import notifier

    asked = notifier.property_lookup.send(folio, user)
    assert asked.lookup_id is not None
    return asked.lookup_id


@pytest.fixture
def own_redis(notifier_settings: pytest.MonkeyPatch, system: System) -> Iterator[RedisServer]:
    """A Redis of the test's own, to be stopped and emptied."""

    with service_folder("redis") as folder, RedisServer(folder) as server:
        notifier_settings.setenv("REDIS_URL", server.url)
        pool = cast(RedisBroker, dramatiq.get_broker()).client.connection_pool
        pool.connection_kwargs.update(redis.connection.parse_url(server.url))
        pool.disconnect()
        yield server
        system.stop()


def in_flight(county_api: CountyApi, seconds: float) -> int:
    """The most calls that the county answered at once, each for that long."""
    ends = [call["at"] for call in county_api.calls()]
    return max(sum(end - seconds < moment <= end for end in ends) for moment in ends)


def test_a_lane_runs_as_many_at_once_as_it_may(county_api: CountyApi, system: System) -> None:
    """Also in a process that has the threads of all lanes."""
    county_api.fault(seconds=0.4)
    system.start_worker()
    assert look_up(system, 25) == ["api"] * 25
    assert in_flight(county_api, 0.4) == 10


def test_a_lookup_does_not_wait_for_mail(county_api: CountyApi, system: System) -> None:
    """One process for all lanes: fifty requests of slow e-mail leave the lookups' places free."""
    import notifier

    system.fault("sendgrid", seconds=5)
    user = system.subscriber()
    for _ in range(60):
        notifier.new_lead_alert.send(user, system.lead())
    system.start_worker()
    system.wait_until(lambda: "sending" in system.states(), "mail under way")
    began = time.monotonic()
    assert look_up(system, 3) == ["api"] * 3
    assert time.monotonic() - began < 2


def test_a_message_lost_with_redis_is_rung_again(county_api: CountyApi, system: System, own_redis: RedisServer) -> None:
    from notifier.lookups import client

    asked = client.request_lookup(next(folios(1)), system.subscriber())
    assert asked.lookup_id is not None
    system.start_worker(LANE)
    system.wait_until(lambda: client.result(asked.lookup_id or 0), "an answer without a message")
    with redis.Redis.from_url(own_redis.url) as client:
        client.flushall()
    assert look_up(system, 12, first=1) == ["api"] * 12
    assert len(county_api.calls()) == 13


def test_a_worker_goes_on_when_redis_comes_back(county_api: CountyApi, system: System, own_redis: RedisServer) -> None:
    system.start_worker(LANE)
    assert look_up(system) == ["api"]
    own_redis.stop()
    from notifier.lookups import client

    user = system.subscriber()
    began = time.monotonic()
    asked = send(next(itertools.islice(folios(2), 1, None)), user)
    assert time.monotonic() - began < 2, "whoever sends does not wait for Redis"
    own_redis.start()
    system.wait_until(lambda: client.result(asked), "an answer")
    assert look_up(system, 12, first=2) == ["api"] * 12


def test_a_question_whose_worker_is_killed_is_asked_by_another(county_api: CountyApi, system: System) -> None:
    from notifier.lookups import client

    county_api.fault(seconds=20, times=1)
    worker = system.start_worker(LANE)
    asked = send(next(folios(1)), system.subscriber())
    state = "SELECT state FROM lookups"
    system.wait_until(lambda: system.value(state) == "asking", "the first call")
    system.kill(worker)
    system.rows("UPDATE lookups SET asked_at = asked_at - interval '10 seconds' RETURNING id")
    system.start_worker(LANE)
    system.wait_until(lambda: client.result(asked), "an answer")
    assert system.value("SELECT units_consumed FROM lookups") >= 2, "nobody knows about the first"


def test_asked_to_stop_a_worker_ends_what_it_does_and_leaves_the_rest(
    county_api: CountyApi, system: System, redis_url: str
) -> None:
    county_api.fault(seconds=1)
    worker = system.start_worker(LANE)
    user = system.subscriber()
    for folio in folios(15):
        send(folio, user)
    count = "SELECT count(*) FROM lookups WHERE state = %s"
    system.wait_until(lambda: system.value(count, "asking") == 10, "ten under way")
    os.kill(worker.pid, signal.SIGTERM)
    assert worker.wait(timeout=30) == 0
    assert system.value(count, "answered") == 10
    assert system.value(count, "queued") == 5
    system.start_worker(LANE)
    system.wait_until(lambda: system.value(count, "answered") == 15, "the rest")
    assert len(county_api.calls()) == 15


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xfe no message",
        b"[]",
        b"{}",
        json.dumps(
            {
                "queue_name": "of-somebody-else",
                "actor_name": "property_lookup",
                "args": [],
                "kwargs": {},
                "options": {"redis_message_id": "bad"},
                "message_id": "1",
                "message_timestamp": 1,
            }
        ).encode(),
    ],
)
def test_bytes_that_are_no_message_are_buried_and_harm_no_neighbour(
    county_api: CountyApi, system: System, redis_url: str, data: bytes
) -> None:
    user = system.subscriber()
    with redis.Redis.from_url(redis_url) as client:
        for number, folio in enumerate(folios(12)):
            if number == 5:
                client.hset(f"{QUEUE}.msgs", "bad", data)
                client.rpush(QUEUE, "bad")
            send(folio, user)
        system.start_worker(LANE)
        answered = "SELECT count(*) FROM lookups WHERE state = 'answered'"
        system.wait_until(lambda: system.value(answered) == 12, "the neighbours")
        system.wait_until(lambda: client.zrange(f"{QUEUE}.XQ", 0, -1) == [b"bad"], "a burial")
        system.wait_until(lambda: client.hlen(f"{QUEUE}.msgs") == 0, "nothing left behind")


@pytest.mark.drill
def test_a_draining_backlog_of_mail_is_not_felt_by_lookups() -> None:
    """20,000 alerts, providers that take 50 ms, each lane a process, all on this machine; the median of three runs."""
    from bench.notifier_lookups import beside_mail, median_p95
    from bench.notifier_system import make_leads, system

    with system() as connection:
        user = make_leads(connection, 1, 1)[0]["subscriber_id"]
        assert median_p95([beside_mail(connection, user, 20_000) for _ in range(3)]) < 0.150


@pytest.mark.drill
def test_an_idle_lane_costs_little_and_wakes_at_once(county_api: CountyApi, system: System) -> None:
    import notifier

    worker = psutil.Process(system.start_worker(LANE).pid)
    assert look_up(system) == ["api"]
    processes = [worker, *worker.children(recursive=True)]
    spent = -sum(sum(one.cpu_times()[:2]) for one in processes)
    time.sleep(10)
    spent += sum(sum(one.cpu_times()[:2]) for one in processes)
    assert spent / 10 < 0.05, "share of a core"
    user = system.subscriber()
    waits = []
    for folio in itertools.islice(folios(101), 1, None):
        time.sleep(0.05)
        began = time.monotonic()
        notifier.lookup(folio, user)
        waits.append(time.monotonic() - began)
    assert sorted(waits)[50] < 0.025, "a polled queue takes longer"
