"""Runs periodic tasks at their intervals, on the caller's connection or a separate connection."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from threading import Thread
from typing import Any

import psycopg

from leads import database
from leads.logs import get_logger
from leads.redaction import where
from notifier.core.settings import settings

log = get_logger(__name__)

Connection = psycopg.Connection[Any]

#: Timeouts (ms) for periodic tasks. They limit how long a statement may run, how long a statement may wait for a lock,
#: and how long a frozen process may keep a transaction open.
LIMITS = "-c statement_timeout=30000 -c lock_timeout=5000 -c idle_in_transaction_session_timeout=20000"


@dataclass(frozen=True)
class PeriodicTask:
    """A task that runs every ``seconds`` seconds. If ``seconds`` is 0, the task runs in each round of the scheduler."""

    name: str
    run: Callable[[Connection], object]
    seconds: float = 0.0
    is_scaled: bool = False
    """True if ``NOTIFIER_TIME_SCALE`` multiplies the interval."""
    has_own_thread: bool = False
    """True for a task that may take a long time and would otherwise delay the other tasks."""


class Scheduler:
    """Runs each task when it is due. A failed task is logged, and the other tasks still run."""

    def __init__(self, tasks: Iterable[PeriodicTask]) -> None:
        self._due_at = dict.fromkeys(tasks, 0.0)
        self._threads: dict[PeriodicTask, Thread] = {}

    def run_due(self, connection: Connection) -> None:
        """Run the tasks that are due. Raises psycopg.Error only if ``connection`` is lost."""
        for task, due_at in self._due_at.items():
            if time.monotonic() < due_at:
                continue
            scale = settings.notifier_time_scale if task.is_scaled else 1
            self._due_at[task] = time.monotonic() + task.seconds * scale
            if task.has_own_thread:
                self._start(task)
                continue
            try:
                task.run(connection)
            except Exception as error:
                if connection.closed:
                    raise
                log.error("periodic_task_failed", task=task.name, error=where(error))

    def _start(self, task: PeriodicTask) -> None:
        """Run a task in a separate thread with its own connection, unless its previous run is still in progress."""
        last = self._threads.get(task)
        if last is None or not last.is_alive():
            self._threads[task] = Thread(target=_run_alone, args=(task,), name=task.name, daemon=True)
            self._threads[task].start()


def _run_alone(task: PeriodicTask) -> None:
    try:
        with database.connect(f"maintenance-{task.name}", options=LIMITS) as connection:
            task.run(connection)
    except Exception as error:
        log.error("periodic_task_failed", task=task.name, error=where(error))
