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
from notifier.actors.drain import drain_queue
from notifier.broker.redis_broker import DEFAULT_REDIS, NotifierBroker
from notifier.channels.sms_reconciliation import reconcile_sms
from notifier.core.errors import OutcomeNotRecorded
from notifier.core.queues import EMAIL, QUEUES, SMS, VOICE, Queue

log = logging.getLogger(__name__)


#: Puts messages in while fewer wait than are wanted; the wire format is Dramatiq's own.
_PUSH_SCRIPT = """
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
TIMEOUT_SECONDS = 0.3
#: … and leaves it alone for so long (s) after it did not answer: the sweeper rings as well.
RETRY_AFTER_SECONDS = 1.0
#: Connections for ringing, out of the 50 that one process may have.
CONNECTIONS = 8

_retry_at = 0.0


@dataclass
class _Turn:
    """One thread at a time rings a lane; ``begun`` counts the rings."""

    lock: Lock = field(default_factory=Lock)
    begun: int = 0


_turns = {name: _Turn() for name in QUEUES}


def wake(queue: Queue, times: int = 1) -> None:
    """Puts up to ``times`` bells in, while fewer wait than the lane runs at once; raises when Redis is away."""
    drain_actor = DRAIN_ACTORS[queue.queue_name]
    _push(queue.queue_name, queue.concurrency, [drain_actor.message() for _ in range(min(times, queue.concurrency))])


def push(message: dramatiq.Message[Any]) -> None:
    """Puts in a message that is no bell, with the patience of one; raises when Redis is away."""
    _push(message.queue_name, 1_000_000, [message])


def _push(queue_name: str, limit: int, messages: Sequence[dramatiq.Message[Any]]) -> None:
    broker = dramatiq.get_broker()
    assert isinstance(broker, NotifierBroker)
    words: list[str | bytes] = []
    for message in messages:
        redis_id = str(uuid4())
        words += [redis_id, message.copy(options={"redis_message_id": redis_id}).encode()]
    queue = f"{broker.namespace}:{queue_name}"
    _client(settings.text("REDIS_URL", DEFAULT_REDIS)).eval(_PUSH_SCRIPT, 2, queue, f"{queue}.msgs", limit, *words)


def try_wake(queues: Iterable[Queue]) -> None:
    """Rings, or leaves it to the sweeper: what is due is a row already, and losing a bell only costs a second.

    A ring that another thread begins after this call covers it, so that many who send at once ring together.
    """
    for queue in queues:
        turn = _turns[queue.queue_name]
        seen = turn.begun
        with turn.lock:
            if turn.begun == seen:
                turn.begun += 1
                _wake_within_timeout(queue)


def _wake_within_timeout(queue: Queue) -> None:
    global _retry_at
    if time.monotonic() < _retry_at:
        return
    try:
        wake(queue)
    except Exception as error:
        _retry_at = time.monotonic() + RETRY_AFTER_SECONDS
        log.warning(
            "Redis does not take the bell of %s (%s): the sweeper will ring", queue.queue_name, type(error).__name__
        )


@cache
def _client(url: str) -> redis.Redis:
    pool = redis.BlockingConnectionPool.from_url(
        url,
        max_connections=CONNECTIONS,
        timeout=TIMEOUT_SECONDS,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
    return redis.Redis(connection_pool=pool)


def _drain_actor(queue: Queue) -> dramatiq.Actor[[], None]:
    def answer() -> None:
        try:
            drain_queue(queue)
        except (psycopg.OperationalError, OutcomeNotRecorded) as error:
            # The rows are where they were; the sweeper rings again when the database is back.
            log.warning("The database does not answer (%s): %s waits", type(error).__name__, queue.queue_name)

    return _actor(answer, queue.drain_actor, queue)


def _actor(function: Callable[[], None], name: str, queue: Queue) -> dramatiq.Actor[[], None]:
    return dramatiq.Actor(
        function,
        broker=dramatiq.get_broker(),
        actor_name=name,
        queue_name=queue.queue_name,
        priority=0,
        options={"max_retries": 0},
    )


def _reconcile() -> None:
    try:
        reconcile_sms()
    except psycopg.OperationalError as error:
        log.warning("The database does not answer (%s): texts are asked about later", type(error).__name__)


def wake_sms_reconciliation() -> None:
    """Has the SMS lane ask about texts of which nobody knows, unless it does already; raises when Redis is away."""
    _push(SMS.queue_name, SMS.concurrency, [RECONCILE[0].message()])


DRAIN_ACTORS: dict[str, dramatiq.Actor[[], None]] = {}
RECONCILE: list[dramatiq.Actor[[], None]] = []


def declare_drain_actors() -> None:
    """Declares the bell actors of the lanes that send, on the broker that is set."""
    for queue in (EMAIL, SMS, VOICE):
        DRAIN_ACTORS[queue.queue_name] = _drain_actor(queue)
    RECONCILE[:] = [_actor(_reconcile, "reconcile_texts", SMS)]
