"""Breakers: rows that make a queue or a delivery kind wait in all processes while its provider accepts no requests."""

from __future__ import annotations

from collections.abc import Collection

from leads.alert import alert
from notifier.core.db import statement
from notifier.core.errors import KindUnavailable, ProviderUnavailable, Throttled
from notifier.core.queues import Queue
from notifier.core.settings import settings
from notifier.deliveries.commits import Cursor

RESUMES = "Sending resumes automatically when a trial succeeds."


def seconds_to_wait(error: Exception) -> float | None:
    """Return how many seconds the queue or the kind waits after ``error``, or None if the retry delays apply."""
    if isinstance(error, Throttled):
        return error.retry_after
    return 60 * settings.notifier_time_scale if isinstance(error, ProviderUnavailable | KindUnavailable) else None


def open_after(cursor: Cursor, kind: str, queue: Queue, error: Exception, code: str) -> None:
    """Open the kind's breaker, the queue's breaker, or neither, depending on ``error``."""
    wait = seconds_to_wait(error)
    if wait is None:
        return
    place: dict[str, str] = {"kind": kind} if isinstance(error, KindUnavailable) else {"queue": queue.queue_name}
    name = "deliveries/open_kind_breaker" if "kind" in place else "deliveries/open_breaker"
    # A trial must have time to end before the next trial.
    interval = max(wait, 1.0) if isinstance(error, Throttled) else wait
    parameters = {**place, "wait": wait, "interval": interval, "code": code, "reason": str(error)[:500]}
    cursor.execute(statement(name), parameters)


def close(cursor: Cursor, kind: str, queue: Queue, ids: Collection[int]) -> None:
    """Close the breakers of the queue and of the kind, because the provider has answered the request for ``ids``."""
    parameters = {"kind": kind, "queue": queue.queue_name, "ids": list(ids)}
    cursor.execute(statement("deliveries/close_breakers"), parameters)


def alert_when_unavailable(kind: str, queue: Queue, error: Exception) -> None:
    """Alert on-call if ``error`` says that the provider refuses every request for this queue or this kind."""
    if not isinstance(error, ProviderUnavailable | KindUnavailable):
        return
    is_kind = isinstance(error, KindUnavailable)
    alert(
        "critical",
        f"{kind}: nothing of this kind can be sent"
        if is_kind
        else f"{queue.queue_name}: the provider refuses everything",
        f"{error}. No delivery is lost: deliveries wait, and the notifier tries one delivery a minute.",
        f"Check the kind's template and sender. {RESUMES}"
        if is_kind
        else f"Check the provider's key, sender and account. {RESUMES}",
        cause=str(error) if is_kind else None,
    )
