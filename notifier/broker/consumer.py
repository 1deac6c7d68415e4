"""Takes messages off one queue: woken by Redis when there is one, never more at once than the lane runs."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterable
from threading import Event
from typing import TYPE_CHECKING, Any

import redis
from dramatiq import Consumer, Message, MessageProxy
from dramatiq.errors import ConnectionClosed, DecodeError

if TYPE_CHECKING:
    from notifier.broker.redis_broker import NotifierBroker

log = logging.getLogger(__name__)

#: The longest sleep (s): how late a consumer notices that it is to stop, and how often it shows a sign of life.
IDLE_SECONDS = 1
#: As long as a delayed message is held, newly delayed ones are looked for so often (s).
HOLDING_SECONDS = 0.25
RECONNECT_SECONDS = 0.5
#: The actor that a message is said to be for when its bytes are no message. There is none, so it is buried.
UNDECODABLE = "undecodable"


class QueueConsumer(Consumer):
    """Holds at most ``limit`` messages that are not acknowledged yet.

    While Redis is away it waits and goes on: Dramatiq's own consumer would forget what it holds.
    """

    def __init__(self, broker: NotifierBroker, queue_name: str, limit: int) -> None:
        self._broker = broker
        self._queue_name = queue_name
        self._key = f"{broker.namespace}:{queue_name}"
        self._limit = limit
        self._fetched: deque[bytes] = deque()
        #: Redis' ids of what is held, with the time (s) until which a delayed message waits.
        self._held: dict[str, float] = {}
        self._freed = Event()
        self._connected = True

    def __next__(self) -> MessageProxy | None:
        """The next message, or None after a while without one."""
        try:
            message = self._next()
        except (redis.ConnectionError, redis.TimeoutError) as error:
            if self._connected:
                log.warning("Redis is away (%s): %s waits for it", type(error).__name__, self._queue_name)
            self._connected = False
            time.sleep(RECONNECT_SECONDS)
            return None
        if not self._connected:
            log.warning("Redis is back: %s goes on", self._queue_name)
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
            # Woken or not: what there is comes without another turn.
            self._fetch(free)
        return self._take(self._fetched.popleft()) if self._fetched else None

    def _fetch(self, limit: int) -> bool:
        self._fetched.extend(data for data in self._broker.do_fetch(self._queue_name, limit) if data is not None)
        return bool(self._fetched)

    def _wait(self) -> None:
        """Returns when a message is there or the first delayed one is due, after a while in any case."""
        due = min((until for until in list(self._held.values()) if until), default=0.0)
        if due:
            time.sleep(min(max(due - time.time(), 0.0), HOLDING_SECONDS))
        else:
            # Moving the head of a list onto itself changes nothing, loses nothing with its reply, and waits
            # until there is a head, whoever put it in.
            self._broker.client.blmove(self._key, self._key, IDLE_SECONDS, "LEFT", "LEFT")

    def _take(self, data: bytes) -> MessageProxy:
        try:
            message = Message.decode(data)
            redis_id, eta = str(message.options["redis_message_id"]), float(message.options.get("eta") or 0)
            if message.queue_name != self._queue_name:  # no thread of the worker would survive it
                raise ValueError("it names another queue")
        except (DecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
            message, eta = self._undecodable(data, error), 0.0
            redis_id = message.options["redis_message_id"]
        self._held[redis_id] = eta / 1000
        return MessageProxy(message)

    def _undecodable(self, data: bytes, error: Exception) -> Message[Any]:
        """A message that stands for bytes which are none, so that they are buried like any other."""
        log.error("%s of the bytes in %s are no message (%s)", len(data), self._queue_name, type(error).__name__)
        return Message(
            queue_name=self._queue_name,
            actor_name=UNDECODABLE,
            args=(),
            kwargs={"bytes": len(data)},
            options={"redis_message_id": self._id_of(data)},
        )

    def _id_of(self, data: bytes) -> str:
        """Redis' id of a message of ours whose bytes do not tell it."""
        client: Any = self._broker.client
        acks = f"{self._broker.namespace}:__acks__.{self._broker.broker_id}.{self._queue_name}"
        ids = [name.decode() for name in client.smembers(acks)]
        stored = client.hmget(f"{self._key}.msgs", ids) if ids else []
        return next((name for name, found in zip(ids, stored, strict=True) if found == data), "unknown")

    def ack(self, message: MessageProxy) -> None:
        self._end(message, self._broker.do_ack)

    def nack(self, message: MessageProxy) -> None:
        self._end(message, self._broker.do_nack)

    def _end(self, message: MessageProxy, command: Any) -> None:
        """Raises ConnectionClosed with Redis away; Dramatiq then tries again, and the place is free already."""
        redis_id = message.options["redis_message_id"]
        try:
            command(self._queue_name, redis_id)
        except (redis.ConnectionError, redis.TimeoutError) as error:
            raise ConnectionClosed(error) from None  # type: ignore[no-untyped-call]
        finally:
            self._held.pop(redis_id, None)
            self._freed.set()

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        """Puts messages back that nobody has begun, with those that were fetched and not even handed out."""
        ids = [message.options["redis_message_id"] for message in messages]
        if ids:
            self._broker.do_requeue(self._queue_name, *ids)

    def close(self) -> None:
        """Puts back what was fetched and not handed out."""
        waiting = [self._take(self._fetched.popleft()) for _ in range(len(self._fetched))]
        try:
            self.requeue(waiting)
        except (redis.ConnectionError, redis.TimeoutError) as error:
            raise ConnectionClosed(error) from None  # type: ignore[no-untyped-call]
