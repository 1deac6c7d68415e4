"""The Dramatiq broker. Redis carries only wake-ups. PostgreSQL stores everything that must not be lost."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import redis
from dramatiq import Consumer, Worker
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import AgeLimit, Callbacks, Middleware, Retries, ShutdownNotifications, TimeLimit
from redis.connection import AbstractConnection, parse_url

from notifier.broker.consumer import QueueConsumer
from notifier.broker.dead_letter_middleware import DeadLetterMiddleware
from notifier.broker.dramatiq_internals import require_threads, served_queues, waiting_key
from notifier.broker.heartbeat import activity
from notifier.broker.log_context import LogContext
from notifier.core import db
from notifier.core.queues import QUEUES, Queue
from notifier.core.settings import settings

#: The maximum number of delayed messages that the consumer holds in memory. Few messages are delayed, because only
#: lookups have delayed retries.
MAX_DELAYED = 1000
TEN_MINUTES_MS = 600_000


def redis_url() -> str:
    """Return the URL of Redis from the current value of the setting ``REDIS_URL``."""
    return settings.redis_url.get_secret_value()


class NotifierBroker(RedisBroker):
    """A Redis broker that prefetches only as many of a queue's messages as one process can work on at once.

    ``address`` returns the URL of Redis. The broker calls ``address`` each time it opens a connection.
    """

    def __init__(self, address: Callable[[], str], **options: Any) -> None:
        self.address = address
        super().__init__(  # type: ignore[no-untyped-call]
            client=redis.Redis(connection_pool=_connection_pool(address)), **options
        )

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> Consumer:
        """Return a consumer that Redis wakes. The arguments ``prefetch`` and ``timeout`` (ms) are not used."""
        queue = QUEUES.get(queue_name)  # returns None for a queue of delayed messages
        return QueueConsumer(self, queue_name, queue.concurrency if queue else MAX_DELAYED)

    def waiting(self, queue: Queue) -> int:
        """Return how many messages wait in a queue."""
        return int(self.client.llen(waiting_key(self, queue.queue_name)))

    def close(self) -> None:
        """Close all connections to Redis. The next use opens new connections to the current address."""
        pool = self.client.connection_pool
        pool.disconnect()
        pool.reset()


class ThreadsPerQueue(Middleware):
    """Gives a worker as many threads and database connections as its queues need, even if ``--threads`` is lower.

    A process whose queues all yield the processor lowers its own priority.
    """

    def before_worker_boot(self, broker: Any, worker: Worker) -> None:
        """Let the worker start enough threads and open enough database connections for its queues."""
        queues = [QUEUES[name] for name in served_queues(worker, QUEUES)]
        require_threads(worker, sum(queue.concurrency for queue in queues))
        db.limit(max((queue.connections for queue in queues), default=db.POOL_SIZE))
        niceness = min((queue.niceness for queue in queues), default=0)
        if niceness > max(0, os.getpriority(os.PRIO_PROCESS, 0)):
            os.setpriority(os.PRIO_PROCESS, 0, niceness)


def make_broker(address: Callable[[], str] = redis_url) -> NotifierBroker:
    """Return a broker for the Redis server whose URL ``address`` returns. The broker connects on first use."""
    return NotifierBroker(
        address,
        heartbeat_timeout=30_000,
        maintenance_chance=20_000,
        # Dramatiq runs the after-hooks in reverse order. The ``TimeLimit`` middleware comes after the ``Retries``
        # middleware in this list, so the time limit is already lifted when ``Retries`` handles a result.
        middleware=[
            LogContext(),
            DeadLetterMiddleware(),
            AgeLimit(),
            Callbacks(),
            Retries(max_retries=5, min_backoff=1_000, max_backoff=60_000),
            ThreadsPerQueue(),
            activity,
            TimeLimit(time_limit=TEN_MINUTES_MS),
            ShutdownNotifications(),
        ],
    )


def _connection_pool(address: Callable[[], str]) -> redis.BlockingConnectionPool:
    """Return the broker's connection pool.

    A process may have 50 connections to Redis: 36 in this pool, 8 for wake-ups, and 6 for other clients.
    """

    def connect(**options: Any) -> AbstractConnection:
        place: dict[str, Any] = {**options, **parse_url(address())}  # type: ignore[no-untyped-call]
        return place.pop("connection_class", redis.Connection)(**place)  # type: ignore[no-any-return]

    return redis.BlockingConnectionPool(  # type: ignore[no-untyped-call]
        connection_class=connect,
        max_connections=36,
        timeout=30,
        socket_timeout=10,
        socket_connect_timeout=30,
        health_check_interval=30,
    )
