"""Wake-ups: messages that tell a queue's workers that deliveries may be due. A wake-up does not name a delivery.

If a wake-up is lost, deliveries are sent about a second late. Each second, the leader wakes every queue that has due
deliveries.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from threading import Lock
from typing import Any

import dramatiq
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from leads.logs import get_logger
from notifier.broker.dramatiq_internals import encode_for_redis, messages_key, waiting_key
from notifier.broker.redis_broker import NotifierBroker
from notifier.core.queues import QUEUES, SMS, Queue

log = get_logger(__name__)

#: Adds messages to a queue while fewer than ARGV[1] messages wait. From ARGV[2] on, the arguments alternate between
#: Redis ids and encoded messages.
_PUSH_SCRIPT = """
local free = tonumber(ARGV[1]) - redis.call("llen", KEYS[1])
local added = 0
for i = 2, #ARGV, 2 do
    if added >= free then break end
    redis.call("hset", KEYS[2], ARGV[i], ARGV[i + 1])
    redis.call("rpush", KEYS[1], ARGV[i])
    added = added + 1
end
return added
"""
#: A wake-up starts an actor, and the actor begins no new work after this many seconds. A request that the actor has
#: already begun may take several more minutes. The broker's time limit of ten minutes must not interrupt a request,
#: because the request's outcome would then be unknown.
WAKEUP_SECONDS = 60.0
#: The longest time (s) that a sender waits for Redis.
TIMEOUT_SECONDS = 0.3
#: If Redis did not answer, senders do not try Redis again for this many seconds.
RETRY_AFTER_SECONDS = 1.0
#: The maximum number of connections to Redis for wake-ups. One process may have 50 connections to Redis in total.
CONNECTIONS = 8
#: The maximum length of the queue for messages that are not wake-ups. The value is so high that these messages are
#: always enqueued.
UNLIMITED = 1_000_000
#: The actor that asks Twilio about SMS messages whose outcome is unknown (see ``notifier.actors.drain``).
RECONCILE_SMS = "reconcile_sms"

_retry_at = 0.0


@dataclass
class _Turn:
    """Lets one thread at a time wake a queue. ``begun`` counts the wake-ups that have begun."""

    lock: Lock = field(default_factory=Lock)
    begun: int = 0


_turns = {name: _Turn() for name in QUEUES}


def wake(queue: Queue, times: int = 1) -> None:
    """Add up to ``times`` wake-ups to a queue, but stop as soon as ``queue.concurrency`` messages are waiting.

    Raises redis.RedisError if Redis does not answer.
    """
    _push(queue, [_message(queue, queue.drain_actor) for _ in range(min(times, queue.concurrency))], queue.concurrency)


def wake_sms_reconciliation() -> None:
    """Wake a worker of the SMS queue to ask Twilio about SMS messages whose outcome is unknown.

    Raises redis.RedisError if Redis does not answer.
    """
    _push(SMS, [_message(SMS, RECONCILE_SMS)], SMS.concurrency)


def try_wake(queues: Iterable[Queue]) -> None:
    """Wake queues. If Redis does not answer, the leader wakes the queues later.

    If another thread's wake-up of the same queue began after this call, this call does not wake the queue again.
    """
    for queue in queues:
        turn = _turns[queue.queue_name]
        seen = turn.begun
        with turn.lock:
            if turn.begun == seen:
                turn.begun += 1
                _wake_unless_redis_is_away(queue)


def push(message: dramatiq.Message[Any]) -> None:
    """Enqueue a message that is not a wake-up, with the same short timeout as a wake-up.

    Raises redis.RedisError if Redis does not answer.
    """
    _push(QUEUES[message.queue_name], [message], UNLIMITED)


def _message(queue: Queue, actor_name: str) -> dramatiq.Message[Any]:
    """Return a message for the actor with this name.

    This package must not import the actors, which are in a higher layer.
    """
    return dramatiq.Message(queue_name=queue.queue_name, actor_name=actor_name, args=(), kwargs={}, options={})


def _push(queue: Queue, messages: Sequence[dramatiq.Message[Any]], limit: int) -> None:
    broker = dramatiq.get_broker()
    assert isinstance(broker, NotifierBroker)
    pairs = [part for message in messages for part in encode_for_redis(message)]
    keys = waiting_key(broker, queue.queue_name), messages_key(broker, queue.queue_name)
    _client(broker.address()).eval(_PUSH_SCRIPT, len(keys), *keys, limit, *pairs)


def _wake_unless_redis_is_away(queue: Queue) -> None:
    global _retry_at
    if time.monotonic() < _retry_at:
        return
    try:
        wake(queue)
    except Exception as error:
        _retry_at = time.monotonic() + RETRY_AFTER_SECONDS
        log.warning("redis_away", error=type(error).__name__, queue=queue.queue_name, consequence="the leader wakes it")


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
