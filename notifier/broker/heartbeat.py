"""A worker process's heartbeat.

For each queue, a heartbeat records how many deliveries are due and how many messages are being processed. If a queue's
consumer has stopped polling, the process writes no heartbeat for that queue, and ``/health`` reports the queue as down.
With each heartbeat, the process compares its clock with the database's clock.
"""

from __future__ import annotations

import os
import socket
import time
from collections import Counter
from collections.abc import Sequence
from threading import Lock
from typing import Any

import psycopg
from dramatiq import MessageProxy
from dramatiq.middleware import Middleware
from psycopg.rows import DictRow

from leads.alert import alert, recovered
from leads.logs import get_logger
from notifier.core.db import rows

log = get_logger(__name__)

#: A consumer that has not polled for this many seconds counts as stuck. A consumer normally polls about once a second,
#: and usually at least once every 12 s while Redis does not answer.
POLL_SECONDS = 30.0
#: The maximum allowed difference (s) between a process's clock and the database's clock.
CLOCK_TOLERANCE = 30.0


class Activity(Middleware):
    """Counts the messages that this process is working on, and records when its consumers last polled."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._active: Counter[str] = Counter()
        self._started_at = time.monotonic()
        self._polled_at: dict[str, float] = {}

    def polled(self, queue_name: str) -> None:
        """Record that a queue's consumer has just polled."""
        self._polled_at[queue_name] = time.monotonic()

    def is_polled(self, queue_name: str) -> bool:
        """Return whether a queue's consumer polled, or this process started, within the last 30 s."""
        return time.monotonic() - self._polled_at.get(queue_name, self._started_at) < POLL_SECONDS

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
        """Return how many messages from a queue this process is working on."""
        with self._lock:
            return self._active[queue_name]


activity = Activity()


def beat(cursor: psycopg.Cursor[DictRow], queues: Sequence[str]) -> None:
    """Write one row to ``lane_status`` for each queue in ``queues``, and delete rows that are over a day old.

    If a queue's consumer is not polling, no row is written for the queue. Alerts on-call if this process's clock is
    wrong.
    """
    polled = [name for name in queues if activity.is_polled(name)]
    for name in set(queues) - set(polled):
        log.error("consumer_stuck", queue=name, consequence="the queue has no heartbeat", remedy="restart this worker")
    active = [activity.active(name) for name in polled]
    written = rows(cursor, "broker/heartbeat", process=process_id(), queues=polled, active=active)
    if written:
        _clock.compare(written[0]["clock"], cursor.connection)


class _Clock:
    """Compares this process's clock with the database's clock, and alerts on-call once if the clocks differ."""

    def __init__(self) -> None:
        self._is_right: bool | None = None

    def compare(self, database_time: float, connection: psycopg.Connection[Any]) -> None:
        """Compare this process's clock with ``database_time`` (s since the epoch)."""
        ahead = time.time() - database_time
        is_right = abs(ahead) <= CLOCK_TOLERANCE
        if is_right == self._is_right:
            return
        self._is_right = is_right
        host = socket.gethostname()
        cause = f"clock:{host}"
        if is_right:
            recovered(f"The clock of {host} agrees with the database's.", cause=cause, connection=connection)
            return
        log.error("clock_differs", seconds_ahead=round(ahead), remedy="correct the clock of this host")
        alert(
            "warning",
            f"The clock of {host} differs from the database's by {abs(ahead):.0f} s",
            f"This clock is {'ahead' if ahead > 0 else 'behind'}. Deliveries follow the database's clock, so they are"
            " on time. Delayed Redis messages, the age of signed callbacks and log times are wrong.",
            f"Correct the clock of {host}, or of the database's host, and check that both run NTP.",
            cause=cause,
            connection=connection,
        )


_clock = _Clock()


def process_id() -> str:
    """Return the name that this process has in ``lane_status``: the host name and the process id."""
    return f"{socket.gethostname()}:{os.getpid()}"
