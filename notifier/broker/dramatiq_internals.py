"""Everything inside Dramatiq that the notifier relies on beyond the documented interface.

Each dependency is one small function that says why it is needed. No other module touches these attributes, Redis keys
or message options. ``tests/notifier/broker/test_dramatiq_internals.py`` checks each of them against the installed
version; after an upgrade, read the functions again, run that test, and change ``READ_VERSION``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any
from uuid import uuid4

from dramatiq import Broker, Message, MessageProxy, Worker
from dramatiq.brokers.redis import RedisBroker
from dramatiq.common import q_name

#: The version of Dramatiq whose source these functions were written against.
READ_VERSION = "2.2.1"

AnyMessage = Message[Any] | MessageProxy


# ── Redis keys: the notifier reads and waits on lists that only Dramatiq's Lua script documents ──


def waiting_key(broker: RedisBroker, queue_name: str) -> str:
    """Return the key of the list of Redis ids that wait in a queue.

    The consumer waits on this list and the broker counts it: Dramatiq itself would poll.
    """
    return f"{broker.namespace}:{queue_name}"


def messages_key(broker: RedisBroker, queue_name: str) -> str:
    """Return the key of the hash from Redis id to encoded message, for a queue's waiting and unacknowledged messages.

    Wake-ups are written here together with the list, without the broker's script and its long timeouts.
    """
    return f"{waiting_key(broker, queue_name)}.msgs"


def dead_key(broker: RedisBroker, queue_name: str) -> str:
    """Return the key of the sorted set of a queue's rejected Redis ids, scored by the time of rejection (ms).

    It is searched for messages whose dead letter could not be written when they were rejected.
    """
    return f"{waiting_key(broker, queue_name)}.XQ"


def dead_messages_key(broker: RedisBroker, queue_name: str) -> str:
    """Return the key of the hash from Redis id to encoded message, for a queue's rejected messages."""
    return f"{dead_key(broker, queue_name)}.msgs"


def unacknowledged_key(broker: RedisBroker, queue_name: str) -> str:
    """Return the key of the set of Redis ids that this process has fetched and not acknowledged.

    Bytes that cannot be decoded do not contain their Redis id; it is looked up here so that they can be rejected.
    """
    return f"{broker.namespace}:__acks__.{broker.broker_id}.{queue_name}"


# ── Commands: the broker's attributes ``do_<command>`` run its Lua script; only its own consumer is meant to ──


def fetch(broker: RedisBroker, queue_name: str, limit: int) -> list[bytes]:
    """Fetch at most ``limit`` encoded messages, which are then unacknowledged.

    The notifier's consumer is its own, because Dramatiq's forgets what it has fetched when Redis goes away. A message
    whose bytes are gone from Redis is left out.
    """
    return [data for data in broker.do_fetch(queue_name, limit) if data is not None]


def acknowledge(broker: RedisBroker, queue_name: str, redis_id: str) -> None:
    """Remove a fetched message from Redis."""
    broker.do_ack(queue_name, redis_id)


def reject(broker: RedisBroker, queue_name: str, redis_id: str) -> None:
    """Move a fetched message to the rejected messages of its queue."""
    broker.do_nack(queue_name, redis_id)


def return_to_queue(broker: RedisBroker, queue_name: str, redis_ids: Iterable[str]) -> None:
    """Put fetched messages back at the end of their queue."""
    if ids := list(redis_ids):
        broker.do_requeue(queue_name, *ids)


# ── Messages: what the broker and the Retries middleware write into a message ──


def encode_for_redis(message: Message[Any]) -> tuple[str, bytes]:
    """Return a new Redis id and the message's bytes with that id in them, as ``RedisBroker.enqueue`` writes them.

    Wake-ups are written with their own client and short timeouts, so that a sender never waits long for Redis.
    """
    redis_id = str(uuid4())
    return redis_id, message.copy(options={"redis_message_id": redis_id}).encode()


def redis_id_of(message: AnyMessage) -> str:
    """Return the id under which Redis holds a message; it changes with each retry, unlike ``message_id``.

    Raises KeyError for a message that no broker has enqueued.
    """
    return str(message.options["redis_message_id"])


def message_with_redis_id(redis_id: str, **fields: Any) -> Message[Any]:
    """Return a message that stands for bytes in Redis that cannot be decoded, so that Dramatiq can reject them."""
    return Message(**fields, options={"redis_message_id": redis_id})


def due_time_of(message: AnyMessage) -> float:
    """Return the time (s since the epoch) until which a delayed message is held in memory, 0 for any other message.

    Raises TypeError or ValueError for a time that is not a number.
    """
    return float(message.options.get("eta") or 0) / 1000


def queue_name_of(message: AnyMessage) -> str:
    """Return the queue's name also for a delayed message, whose own queue name ends in ``.DQ``."""
    return str(q_name(message.queue_name))


def failures_of(message: AnyMessage) -> int:
    """Return how often Retries has counted a failure; it does not count an exception in the actor's ``throws``."""
    return int(message.options.get("retries") or 0)


def forget_traceback(message: AnyMessage) -> None:
    """Remove the traceback that Retries adds: its text may contain personal data, and would be stored in Redis."""
    message.options.pop("traceback", None)


def exception_of(message: MessageProxy) -> BaseException | None:
    """Return the exception that a message failed with.

    ``before_nack`` is the only hook that every rejected message passes, and it is not given the exception.
    """
    error: BaseException | None = message._exception
    return error


def final_exceptions(broker: Broker, actor_name: str) -> tuple[type[BaseException], ...]:
    """Return the exceptions after which an actor is not retried; empty when there is no such actor."""
    actor = broker.actors.get(actor_name)
    throws = actor.options.get("throws", ()) if actor is not None else ()
    return throws if isinstance(throws, tuple) else (throws,)


# ── Worker: it is configured on the command line only, before it knows which queues it serves ──


def served_queues(worker: Worker, queue_names: Iterable[str]) -> list[str]:
    """Return those of ``queue_names`` that a worker serves: all of them unless it was started with ``--queues``."""
    only: Collection[str] | None = worker.consumer_whitelist
    return [name for name in queue_names if not only or name in only]


def require_threads(worker: Worker, threads: int) -> None:
    """Have a worker start at least ``threads`` threads; works in ``before_worker_boot`` only.

    With fewer threads than its queues run at once, a full queue would hold up the others.
    """
    worker.worker_threads = max(worker.worker_threads, threads)
