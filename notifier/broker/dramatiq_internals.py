"""All of Dramatiq's undocumented internals that the notifier uses.

Each function wraps one of these internals, and its docstring says why the notifier needs it. No other module uses these
attributes, Redis keys or message options. ``tests/notifier/broker/test_dramatiq_internals.py`` checks each function
against the installed version. After an upgrade of Dramatiq, review these functions, run that test, and change
``READ_VERSION``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterable
from typing import Any
from uuid import uuid4

from dramatiq import Broker, Message, MessageProxy, Worker
from dramatiq.brokers.redis import RedisBroker
from dramatiq.common import q_name

#: The version of Dramatiq for which these functions were written and reviewed.
READ_VERSION = "2.2.1"

AnyMessage = Message[Any] | MessageProxy


# ── Redis keys: only Dramatiq's Lua script documents them ──


def waiting_key(broker: RedisBroker, queue_name: str) -> str:
    """Return the key of the list that contains the Redis ids of the messages waiting in a queue.

    The notifier's consumer blocks on this list instead of polling as Dramatiq's own consumer does.
    ``NotifierBroker.waiting`` counts the list's elements.
    """
    return f"{broker.namespace}:{queue_name}"


def messages_key(broker: RedisBroker, queue_name: str) -> str:
    """Return the key of the hash that maps Redis ids to encoded messages.

    The hash contains a queue's waiting and unacknowledged messages. The notifier writes wake-ups directly to this hash
    and to the list of waiting messages, because calls through the broker have long timeouts.
    """
    return f"{waiting_key(broker, queue_name)}.msgs"


def dead_key(broker: RedisBroker, queue_name: str) -> str:
    """Return the key of the sorted set that contains the Redis ids of a queue's rejected messages.

    Each id's score is the time (ms) at which the message was rejected. ``recover_dead_letters`` searches this set for
    messages whose dead letter was not written.
    """
    return f"{waiting_key(broker, queue_name)}.XQ"


def dead_messages_key(broker: RedisBroker, queue_name: str) -> str:
    """Return the key of the hash that maps the Redis ids of a queue's rejected messages to the encoded messages."""
    return f"{dead_key(broker, queue_name)}.msgs"


def unacknowledged_key(broker: RedisBroker, queue_name: str) -> str:
    """Return the key of the set that contains the Redis ids of this process's unacknowledged messages.

    If a message cannot be decoded, its bytes do not show its Redis id. The consumer finds the id in this set and can
    then reject the message.
    """
    return f"{broker.namespace}:__acks__.{broker.broker_id}.{queue_name}"


# ── Commands: the broker's attributes ``do_<command>``, which Dramatiq intends only for its own consumer ──


def fetch(broker: RedisBroker, queue_name: str, limit: int) -> list[bytes]:
    """Fetch at most ``limit`` encoded messages. The fetched messages are unacknowledged.

    The notifier has its own consumer, because Dramatiq's consumer loses fetched messages when Redis goes down. A
    message whose bytes are missing from Redis is left out.
    """
    return [data for data in broker.do_fetch(queue_name, limit) if data is not None]


def acknowledge(broker: RedisBroker, queue_name: str, redis_id: str) -> None:
    """Remove a fetched message from Redis."""
    broker.do_ack(queue_name, redis_id)


def reject(broker: RedisBroker, queue_name: str, redis_id: str) -> None:
    """Move a fetched message to its queue's rejected messages."""
    broker.do_nack(queue_name, redis_id)


def return_to_queue(broker: RedisBroker, queue_name: str, redis_ids: Iterable[str]) -> None:
    """Put fetched messages back at the end of their queue."""
    if ids := list(redis_ids):
        broker.do_requeue(queue_name, *ids)


# ── Messages: the fields that the broker and the Retries middleware write into a message ──


def encode_for_redis(message: Message[Any]) -> tuple[str, bytes]:
    """Return a new Redis id, and the message's bytes with that id, in the form that ``RedisBroker.enqueue`` writes.

    The notifier writes wake-ups through a separate Redis client with short timeouts, so that a sender never waits long.
    """
    redis_id = str(uuid4())
    return redis_id, message.copy(options={"redis_message_id": redis_id}).encode()


def redis_id_of(message: AnyMessage) -> str:
    """Return the id under which Redis holds a message. Unlike ``message_id``, this id changes with each retry.

    Raises KeyError for a message that no broker has enqueued.
    """
    return str(message.options["redis_message_id"])


#: The type of each part of a message. Dramatiq does not check these types, and a wrong type would end a worker thread.
_PART_TYPES: dict[str, type | tuple[type, ...]] = {
    "queue_name": str,
    "actor_name": str,
    "args": (list, tuple),
    "kwargs": dict,
    "options": dict,
    "message_id": str,
    "message_timestamp": (int, float),
}
#: The longest delay (s) that the consumer accepts. The consumer must hold a delayed message until the message is due.
#: The notifier delays messages by at most a minute. Work that is due later is stored as a row in the database.
MAX_DELAY_SECONDS = 3600.0
#: The upper limit for the times (ms) and counts in a message's options.
MAX_NUMBER = 1e15
#: The maximum length of a message's id, queue name and actor name, and the maximum number of its retries. A dead letter
#: stores these values in columns and an index that cannot hold larger values.
MAX_NAME = 200
MAX_RETRIES = 1_000_000
#: The numeric options that the broker and the middleware use.
_NUMBERS = ("eta", "retries", "max_retries", "min_backoff", "max_backoff", "max_age", "time_limit", "requeue_timestamp")


def decode(data: bytes, queue_name: str) -> Message[Any]:
    """Check that each part of the message in ``data`` has the type that Dramatiq expects, and return the message.

    Raises ValueError if the bytes are malformed, the message names another queue, or the delay is longer than an hour.
    """
    try:
        message: Message[Any] = Message.decode(data)
    except Exception as error:  # the decoder's own errors, or RecursionError
        raise ValueError(f"not a message: {type(error).__name__}") from None
    for part, expected in _PART_TYPES.items():
        value = getattr(message, part)
        if not isinstance(value, expected) or (isinstance(value, str) and not value.isprintable()):
            raise ValueError(f"{part} has the wrong type, or contains a character that cannot be stored")
        if isinstance(value, str) and len(value) > MAX_NAME:
            raise ValueError(f"{part} has more than {MAX_NAME} characters")
    if not isinstance(message.options.get("redis_message_id"), str):
        raise ValueError("redis_message_id is not a string")
    for name in _NUMBERS:
        number = message.options.get(name)
        if number is not None and not (isinstance(number, int | float) and abs(number) < MAX_NUMBER):
            raise ValueError(f"the option {name} is not a number")
    if not 0 <= (message.options.get("retries") or 0) <= MAX_RETRIES:
        raise ValueError(f"the option retries is not between 0 and {MAX_RETRIES}")
    if "throws" in message.options or "time_limit" in message.options:
        raise ValueError("the message has the option throws, which is allowed only for an actor")
    if q_name(message.queue_name) != q_name(queue_name):
        raise ValueError("the message names another queue")
    due = due_time_of(message)
    if due and not is_queue_of_delayed(message.queue_name):
        raise ValueError("the message is delayed, but its queue is not for delayed messages")
    if due > time.time() + MAX_DELAY_SECONDS:
        raise ValueError("the message is delayed for longer than an hour")
    return message


def claimed_redis_id(data: bytes) -> str | None:
    """Return the Redis id that the bytes contain, or None if they contain no id."""
    try:
        claimed = json.loads(data)["options"]["redis_message_id"]
        claimed.encode()  # raises an error for a lone surrogate, which a Redis command cannot contain
    except Exception:
        return None
    return str(claimed)


def message_with_redis_id(redis_id: str, **fields: Any) -> Message[Any]:
    """Return a placeholder message for bytes in Redis that cannot be decoded, so that Dramatiq can reject them."""
    return Message(**fields, options={"redis_message_id": redis_id})


def due_time_of(message: AnyMessage) -> float:
    """Return the time (s since the epoch) until which a delayed message is held in memory.

    Returns 0 for any other message.
    """
    return float(message.options.get("eta") or 0) / 1000


def is_queue_of_delayed(queue_name: str) -> bool:
    """Return whether a queue holds another queue's delayed messages."""
    return bool(q_name(queue_name) != queue_name)


def queue_name_of(message: AnyMessage) -> str:
    """Return the name of the message's queue, without the suffix ``.DQ``, which marks a queue of delayed messages."""
    return str(q_name(message.queue_name))


def failures_of(message: AnyMessage) -> int:
    """Return the number of failures that the ``Retries`` middleware has counted.

    The ``Retries`` middleware does not count exceptions that the actor lists in ``throws``.
    """
    return int(message.options.get("retries") or 0)


def forget_traceback(message: AnyMessage) -> None:
    """Remove the traceback that the ``Retries`` middleware adds.

    Redis would store the traceback, which may contain personal data.
    """
    message.options.pop("traceback", None)


def exception_of(message: MessageProxy) -> BaseException | None:
    """Return the exception that made a message fail.

    ``before_nack`` is the only hook that runs for every rejected message, and Dramatiq does not pass the exception to
    it.
    """
    error: BaseException | None = message._exception
    return error


def final_exceptions(broker: Broker, actor_name: str) -> tuple[type[BaseException], ...]:
    """Return the exception types after which an actor is not retried.

    Returns an empty tuple if the actor does not exist.
    """
    actor = broker.actors.get(actor_name)
    throws = actor.options.get("throws", ()) if actor is not None else ()
    return throws if isinstance(throws, tuple) else (throws,)


# ── Worker: attributes that Dramatiq's command line sets before the notifier's middleware runs ──


def served_queues(worker: Worker, queue_names: Iterable[str]) -> list[str]:
    """Return the queues in ``queue_names`` that a worker serves.

    A worker serves all queues unless it was started with ``--queues``.
    """
    only: Collection[str] | None = worker.consumer_whitelist
    return [name for name in queue_names if not only or name in only]


def require_threads(worker: Worker, threads: int) -> None:
    """Make a worker start at least ``threads`` threads. Works only in ``before_worker_boot``.

    If a worker had fewer threads than its queues can use at once, a full queue would block the other queues.
    """
    worker.worker_threads = max(worker.worker_threads, threads)
