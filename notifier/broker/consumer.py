"""The consumer of a queue. Redis wakes the consumer when a message arrives.

A consumer holds only as many messages as its process can work on at once.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from threading import Event
from typing import Any

import redis
from dramatiq import Consumer, Message, MessageProxy
from dramatiq.brokers.redis import RedisBroker
from dramatiq.errors import ConnectionClosed

from leads.logs import get_logger
from notifier.broker import dramatiq_internals as internals
from notifier.broker.heartbeat import activity

log = get_logger(__name__)

#: The longest wait (s) for a message. A longer wait would delay shutdown and the broker's own heartbeat in Redis.
IDLE_SECONDS = 1
#: While the consumer holds a delayed message, it looks for new delayed messages at this interval (s).
HOLDING_SECONDS = 0.25
RECONNECT_SECONDS = 0.5
#: The actor name in the placeholder message for bytes that cannot be decoded. No such actor exists, so Dramatiq rejects
#: the message.
UNDECODABLE = "undecodable"


class QueueConsumer(Consumer):
    """Iterates over the messages in a queue, and holds at most ``limit`` unacknowledged messages.

    While Redis is down, the consumer keeps its messages. Dramatiq's own consumer would lose its messages.
    """

    def __init__(self, broker: RedisBroker, queue_name: str, limit: int) -> None:
        self._broker = broker
        self._queue_name = queue_name
        self._limit = limit
        self._fetched: deque[bytes] = deque()
        #: Maps the Redis id of each held message to the time (s since the epoch) at which the message is due, or to 0
        #: if the message is not delayed.
        self._held: dict[str, float] = {}
        self._freed = Event()
        self._connected = True

    def __next__(self) -> MessageProxy | None:
        """Return the next message, or None when no message arrives for about a second."""
        activity.polled(self._queue_name)
        try:
            message = self._next()
        except (redis.ConnectionError, redis.TimeoutError) as error:
            if self._connected:
                log.warning("redis_away", error=type(error).__name__, queue=self._queue_name)
            self._connected = False
            time.sleep(RECONNECT_SECONDS)
            return None
        if not self._connected:
            log.warning("redis_back", queue=self._queue_name)
        self._connected = True
        return message

    def _next(self) -> MessageProxy | None:
        if self._fetched:
            return self._take(self._fetched.popleft())
        self._freed.clear()
        free = self._limit - len(self._held)
        if free <= 0:
            self._freed.wait(IDLE_SECONDS)
            return None
        if not self._fetch(free):
            self._wait()
            # The wait may have ended because a message arrived, so fetch now instead of in the next call.
            self._fetch(free)
        return self._take(self._fetched.popleft()) if self._fetched else None

    def _fetch(self, limit: int) -> bool:
        self._fetched.extend(internals.fetch(self._broker, self._queue_name, limit))
        return bool(self._fetched)

    def _wait(self) -> None:
        """Wait until a message arrives or the first delayed message is due, but for at most ``IDLE_SECONDS``."""
        due = min((until for until in list(self._held.values()) if until), default=0.0)
        if due:
            time.sleep(min(max(due - time.time(), 0.0), HOLDING_SECONDS))
        else:
            # This BLMOVE waits until the list has an element, and then moves the first element to the front of the same
            # list. The command changes nothing, so no message is lost if the reply is lost.
            key = internals.waiting_key(self._broker, self._queue_name)
            self._broker.client.blmove(key, key, IDLE_SECONDS, "LEFT", "LEFT")

    def _take(self, data: bytes) -> MessageProxy:
        try:
            message = self._decode(data)
        except ValueError as error:
            message = self._undecodable(data, error)
        self._held[internals.redis_id_of(message)] = internals.due_time_of(message)
        return MessageProxy(message)

    def _decode(self, data: bytes) -> Message[Any]:
        """Return the message in ``data``. Raises ValueError for a message that this queue must not contain."""
        message = internals.decode(data, self._queue_name)
        if message.queue_name != self._queue_name:  # a message for another queue would end the worker thread
            raise ValueError("the queue of delayed messages and the normal queue are mixed up")
        return message

    def _undecodable(self, data: bytes, error: ValueError) -> Message[Any]:
        """Return a placeholder message for bytes that cannot be decoded, so that Dramatiq can reject them."""
        log.error("message_undecodable", bytes=len(data), queue=self._queue_name, reason=str(error))
        return internals.message_with_redis_id(
            self._id_of(data),
            queue_name=self._queue_name,
            actor_name=UNDECODABLE,
            args=(),
            kwargs={"bytes": len(data)},
        )

    def _id_of(self, data: bytes) -> str:
        """Return the Redis id of a fetched message that is malformed.

        The bytes of a malformed message may contain a wrong id.
        """
        client: Any = self._broker.client
        messages = internals.messages_key(self._broker, self._queue_name)
        claimed = internals.claimed_redis_id(data)
        if claimed is not None and client.hget(messages, claimed) == data:
            return claimed
        ids = [name.decode() for name in client.smembers(internals.unacknowledged_key(self._broker, self._queue_name))]
        stored = client.hmget(messages, ids) if ids else []
        return next((name for name, found in zip(ids, stored, strict=True) if found == data), "unknown")

    def ack(self, message: MessageProxy) -> None:
        """Remove a processed message. Raises ConnectionClosed if Redis is down, so that Dramatiq tries again."""
        self._end(message, internals.acknowledge)

    def nack(self, message: MessageProxy) -> None:
        """Move a failed message to the queue's rejected messages. Raises ConnectionClosed if Redis is down."""
        self._end(message, internals.reject)

    def _end(self, message: MessageProxy, command: Callable[[RedisBroker, str, str], None]) -> None:
        redis_id = internals.redis_id_of(message)
        try:
            command(self._broker, self._queue_name, redis_id)
        except (redis.ConnectionError, redis.TimeoutError) as error:
            raise ConnectionClosed(error) from None  # type: ignore[no-untyped-call]
        finally:
            # The message has been processed, so free its slot even if the Redis command must be tried again.
            self._held.pop(redis_id, None)
            self._freed.set()

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        """Move messages back to the end of their queue if no thread has started to process them."""
        internals.return_to_queue(self._broker, self._queue_name, map(internals.redis_id_of, messages))

    def close(self) -> None:
        """Return fetched messages to Redis if no thread has received them. Never raises.

        A message that cannot be returned stays unacknowledged. After this process has ended, another worker takes the
        message.
        """
        fetched, self._fetched = list(self._fetched), deque()
        try:
            self.requeue([self._take(data) for data in fetched])
        except Exception as error:
            log.warning("messages_not_returned", count=len(fetched), error=type(error).__name__, queue=self._queue_name)
