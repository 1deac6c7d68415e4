"""The status of the queues, for operators."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from notifier.core.db import records, transaction


@dataclass(frozen=True)
class QueueStatus:
    """The status of a queue: deliveries by state, workers, and dead letters.

    ``oldest`` is the age (s) of the oldest due delivery. While the queue's breaker is open, ``breaker`` is the
    provider's error code. While only the breakers for individual kinds are open, ``breaker`` lists these kinds with
    their error codes. ``paused_by``, ``paused_at`` and ``pause_reason`` are None unless an operator has paused the
    queue.
    """

    queue_name: str
    due: int
    later: int
    sending: int
    unknown: int
    parked: int
    oldest: int
    workers: int
    dead: int
    breaker: str | None
    paused_by: str | None
    paused_at: datetime | None
    pause_reason: str | None


def queue_statuses(queues: Iterable[str]) -> list[QueueStatus]:
    """Return the status of each queue, sorted by name."""
    with transaction() as cursor:
        return records(cursor, QueueStatus, "deliveries/queue_status", queues=sorted(queues))
