"""The heartbeat of a worker process: the due deliveries in each queue, and the messages that the process works on."""

from __future__ import annotations

import os
import socket
from collections import Counter
from collections.abc import Sequence
from threading import Lock
from typing import Any

import psycopg
from dramatiq import MessageProxy
from dramatiq.middleware import Middleware
from psycopg.rows import DictRow

from notifier.core.db import rows


class Activity(Middleware):
    """Counts the messages that this process is working on."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._active: Counter[str] = Counter()

    def before_process_message(self, broker: Any, message: MessageProxy) -> None:
        """Add one to the queue's active messages."""
        with self._lock:
            self._active[message.queue_name] += 1

    def after_process_message(self, broker: Any, message: MessageProxy, **outcome: Any) -> None:
        """Subtract one from the queue's active messages."""
        with self._lock:
            self._active[message.queue_name] -= 1

    after_skip_message = after_process_message

    def active(self, queue_name: str) -> int:
        """Return how many messages of a queue this process is working on."""
        with self._lock:
            return self._active[queue_name]


activity = Activity()


def beat(cursor: psycopg.Cursor[DictRow], queues: Sequence[str]) -> None:
    """Write this process's rows of ``lane_status`` for ``queues``, and delete rows that are a day old."""
    active = [activity.active(name) for name in queues]
    rows(cursor, "broker/heartbeat", process=process_id(), queues=list(queues), active=active)


def process_id() -> str:
    """Return the name of this process in ``lane_status``: the host name and the process id."""
    return f"{socket.gethostname()}:{os.getpid()}"
