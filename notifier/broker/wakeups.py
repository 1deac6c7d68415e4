"""Bells: a message in a lane's queue says that something may be due there. It names no delivery."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from threading import Lock
from typing import Any
from uuid import uuid4

import dramatiq
import psycopg
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from leads import settings
from notifier.broker.redis_broker import DEFAULT_REDIS, LaneBroker
from notifier.channels.dispatch import work
from notifier.channels.sms_reconciliation import reconcile_texts
from notifier.core.errors import NotRecorded
from notifier.core.queues import EMAIL, LANES, SMS, VOICE, Lane

log = logging.getLogger(__name__)


#: Puts messages in while fewer wait than are wanted; the wire format is Dramatiq's own.
_RING = """
local free = tonumber(ARGV[1]) - redis.call("llen", KEYS[1])
local rung = 0
for i = 2, #ARGV, 2 do
    if rung >= free then break end
    redis.call("hset", KEYS[2], ARGV[i], ARGV[i + 1])
    redis.call("rpush", KEYS[1], ARGV[i])
    rung = rung + 1
end
return rung
"""
#: Whoever sends does not wait for Redis longer than this (s) …
PATIENCE = 0.3
#: … and leaves it alone for so long (s) after it did not answer: the sweeper rings as well.
RESPITE = 1.0
#: Connections for ringing, out of the 50 that one process may have.
CONNECTIONS = 8

_silent_until = 0.0


@dataclass
class _Turn:
    """One thread at a time rings a lane; ``begun`` counts the rings."""

    lock: Lock = field(default_factory=Lock)
    begun: int = 0


_turns = {name: _Turn() for name in LANES}


def ring(lane: Lane, times: int = 1) -> None:
    """Puts up to ``times`` bells in, while fewer wait than the lane runs at once; raises when Redis is away."""
    bell = BELLS[lane.queue_name]
    _put(lane.queue_name, lane.concurrency, [bell.message() for _ in range(min(times, lane.concurrency))])


def put(message: dramatiq.Message[Any]) -> None:
    """Puts in a message that is no bell, with the patience of one; raises when Redis is away."""
    _put(message.queue_name, 1_000_000, [message])


def _put(queue_name: str, most: int, messages: Sequence[dramatiq.Message[Any]]) -> None:
    broker = dramatiq.get_broker()
    assert isinstance(broker, LaneBroker)
    words: list[str | bytes] = []
    for message in messages:
        redis_id = str(uuid4())
        words += [redis_id, message.copy(options={"redis_message_id": redis_id}).encode()]
    queue = f"{broker.namespace}:{queue_name}"
    _client(settings.text("REDIS_URL", DEFAULT_REDIS)).eval(_RING, 2, queue, f"{queue}.msgs", most, *words)


def ring_quietly(lanes: Iterable[Lane]) -> None:
    """Rings, or leaves it to the sweeper: what is due is a row already, and losing a bell only costs a second.

    A ring that another thread begins after this call covers it, so that many who send at once ring together.
    """
    for lane in lanes:
        turn = _turns[lane.queue_name]
        seen = turn.begun
        with turn.lock:
            if turn.begun == seen:
                turn.begun += 1
                _ring_patiently(lane)


def _ring_patiently(lane: Lane) -> None:
    global _silent_until
    if time.monotonic() < _silent_until:
        return
    try:
        ring(lane)
    except Exception as error:
        _silent_until = time.monotonic() + RESPITE
        log.warning(
            "Redis does not take the bell of %s (%s): the sweeper will ring", lane.queue_name, type(error).__name__
        )


@cache
def _client(url: str) -> redis.Redis:
    pool = redis.BlockingConnectionPool.from_url(
        url,
        max_connections=CONNECTIONS,
        timeout=PATIENCE,
        socket_timeout=PATIENCE,
        socket_connect_timeout=PATIENCE,
        retry=Retry(NoBackoff(), 0),
    )
    return redis.Redis(connection_pool=pool)


def _bell(lane: Lane) -> dramatiq.Actor[[], None]:
    def answer() -> None:
        try:
            work(lane)
        except (psycopg.OperationalError, NotRecorded) as error:
            # The rows are where they were; the sweeper rings again when the database is back.
            log.warning("The database does not answer (%s): %s waits", type(error).__name__, lane.queue_name)

    return _actor(answer, lane.bell, lane)


def _actor(function: Callable[[], None], name: str, lane: Lane) -> dramatiq.Actor[[], None]:
    return dramatiq.Actor(
        function,
        broker=dramatiq.get_broker(),
        actor_name=name,
        queue_name=lane.queue_name,
        priority=0,
        options={"max_retries": 0},
    )


def _reconcile() -> None:
    try:
        reconcile_texts()
    except psycopg.OperationalError as error:
        log.warning("The database does not answer (%s): texts are asked about later", type(error).__name__)


def ring_to_reconcile() -> None:
    """Has the SMS lane ask about texts of which nobody knows, unless it does already; raises when Redis is away."""
    _put(SMS.queue_name, SMS.concurrency, [RECONCILE[0].message()])


BELLS: dict[str, dramatiq.Actor[[], None]] = {}
RECONCILE: list[dramatiq.Actor[[], None]] = []


def hang_bells() -> None:
    """Declares the bell actors of the lanes that send, on the broker that is set."""
    for lane in (EMAIL, SMS, VOICE):
        BELLS[lane.queue_name] = _bell(lane)
    RECONCILE[:] = [_actor(_reconcile, "reconcile_texts", SMS)]
