"""Every worker process tells of its lanes: how much waits there, and how much it has in hand."""

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
    """Counts the messages that this process has in hand."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._active: Counter[str] = Counter()

    def before_process_message(self, broker: Any, message: MessageProxy) -> None:
        with self._lock:
            self._active[message.queue_name] += 1

    def after_process_message(self, broker: Any, message: MessageProxy, **outcome: Any) -> None:
        with self._lock:
            self._active[message.queue_name] -= 1

    after_skip_message = after_process_message

    def active(self, queue_name: str) -> int:
        with self._lock:
            return self._active[queue_name]


activity = Activity()


def beat(cursor: psycopg.Cursor[DictRow], queues: Sequence[str]) -> None:
    """Writes ``lane_status`` for this process's ``queues``, and forgets processes that have been silent for a day."""
    active = [activity.active(name) for name in queues]
    rows(cursor, "broker/heartbeat", process=process_id(), queues=list(queues), active=active)


def process_id() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"
