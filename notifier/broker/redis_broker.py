"""The broker: Redis is only a doorbell here, PostgreSQL holds what must not be lost."""

from __future__ import annotations

import logging
from typing import Any

import redis
from dramatiq import Consumer, Worker
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import AgeLimit, Callbacks, Middleware, Retries, ShutdownNotifications, TimeLimit

from leads import settings
from notifier.broker.consumer import QueueConsumer
from notifier.broker.dead_letter_middleware import DeadLetterMiddleware
from notifier.broker.heartbeat import activity
from notifier.core import db
from notifier.core.queues import QUEUES, Queue

log = logging.getLogger(__name__)

#: Delayed messages are few (retries of lookups) and wait in memory.
MAX_DELAYED = 1000
TEN_MINUTES_MS = 600_000
DEFAULT_REDIS = "redis://127.0.0.1:6379/0"


class NotifierBroker(RedisBroker):
    """Takes at most as many messages of a queue as its lane may run at once, so that nothing waits in memory.

    An idle lane starts a message within milliseconds: Redis wakes its consumer.
    """

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> Consumer:
        queue = QUEUES.get(queue_name)  # None for the queues of delayed messages
        return QueueConsumer(self, queue_name, queue.concurrency if queue else MAX_DELAYED)

    def waiting(self, queue: Queue) -> int:
        """How many messages wait in the lane's queue."""
        return int(self.client.llen(f"{self.namespace}:{queue.queue_name}"))


class ThreadsPerQueue(Middleware):
    """Gives a worker as many threads as its lanes may run at once, whatever ``--threads`` says, and their connections.

    With fewer, a lane that is full would be felt by the others.
    """

    def before_worker_boot(self, broker: Any, worker: Worker) -> None:
        names = worker.consumer_whitelist or QUEUES
        queues = [queue for name, queue in QUEUES.items() if name in names]
        worker.worker_threads = max(worker.worker_threads, sum(queue.concurrency for queue in queues))
        db.limit(max((queue.connections for queue in queues), default=db.POOL_SIZE))


def make_broker() -> NotifierBroker:
    """A broker whose connections are made when they are used.

    A process may have 50 to Redis: these, eight for ringing, and the rest for who needs some of their own.
    """
    pool = redis.BlockingConnectionPool.from_url(
        settings.text("REDIS_URL", DEFAULT_REDIS),
        max_connections=36,
        timeout=30,
        socket_timeout=10,
        socket_connect_timeout=30,
        health_check_interval=30,
    )
    return NotifierBroker(  # type: ignore[no-untyped-call]
        client=redis.Redis(connection_pool=pool),
        heartbeat_timeout=30_000,
        maintenance_chance=20_000,
        # The limit comes last, so that its interrupt is disarmed before the retry is written.
        middleware=[
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
