"""The sweeper: finds what no message speaks of. A thread in every worker process; one at a time sweeps."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Thread
from typing import Any

import psycopg
from dramatiq import Worker
from dramatiq.middleware import Middleware
from psycopg.rows import DictRow, dict_row

from leads import database, settings
from leads.alert import alert
from notifier.actors import drain
from notifier.actors.drain import KINDS
from notifier.broker import dead_letter_middleware, heartbeat
from notifier.broker.wakeups import wake, wake_sms_reconciliation
from notifier.core.db import rows
from notifier.core.errors import where
from notifier.core.queues import QUEUES
from notifier.core.states import State
from notifier.deliveries import ledger_check, lifecycle, provider_events
from notifier.deliveries.lifecycle import settle_or_release
from notifier.lookups import worker
from notifier.maintenance.airflow_watchdog import AirflowWatchdog

log = logging.getLogger(__name__)

SWEEP_SECONDS = 1.0
HEARTBEAT_SECONDS = 5.0
TELL_SECONDS = 10.0
LEADER_LOCK = "notifier:sweeper"
LIMITS = "-c statement_timeout=30000 -c lock_timeout=5000"

Connection = psycopg.Connection[Any]


class LeaderMiddleware(Middleware):
    """Runs the sweeper beside a worker, from its start to its end."""

    def __init__(self) -> None:
        self._stop = Event()
        self._thread: Thread | None = None
        self._airflow_watch = AirflowWatchdog()

    def after_worker_boot(self, broker: Any, worker: Worker) -> None:
        queues = sorted(set(QUEUES) & (worker.consumer_whitelist or set(QUEUES)))
        self._thread = Thread(target=self._run, args=(queues,), name="sweeper", daemon=True)
        self._thread.start()

    def before_worker_shutdown(self, broker: Any, worker: Worker) -> None:
        drain.closing.set()
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def _run(self, queues: list[str]) -> None:
        """Connects anew whenever the database was away; the lock goes with the connection."""
        while not self._stop.is_set():
            try:
                with database.connect("sweeper", options=LIMITS) as connection:
                    self._serve(connection, queues)
            except psycopg.Error as error:
                log.warning("The sweeper lost the database (%s), connecting again", type(error).__name__)
            except Exception as error:
                log.error("The sweeper failed, starting again: %s", where(error))
            self._stop.wait(SWEEP_SECONDS)

    def _serve(self, connection: Connection, queues: list[str]) -> None:
        cursor = connection.cursor(row_factory=dict_row)
        elected = False
        next_beat = 0.0
        rounds = PeriodicTasks(PERIODIC_TASKS)
        while not self._stop.is_set():
            if time.monotonic() >= next_beat:
                heartbeat.beat(cursor, queues)
                next_beat = time.monotonic() + HEARTBEAT_SECONDS
            lifecycle.requeue_unconfirmed_claims(cursor)
            if not elected:
                cursor.execute("SELECT pg_try_advisory_lock(hashtext(%s)) AS mine", (LEADER_LOCK,))
                elected = bool((cursor.fetchone() or {})["mine"])
            if elected:
                rounds.go(connection)
                self._airflow_watch.look()
            self._stop.wait(SWEEP_SECONDS)
        cursor.execute("DELETE FROM lane_status WHERE process_id = %s", (heartbeat.process_id(),))


def sweep(connection: Connection) -> dict[str, int]:
    """Moves on what time decides; returns how many deliveries got each state. One transaction for each purpose."""
    moved = {}
    for name, state in (
        ("maintenance/sweep_stale", State.UNKNOWN),
        ("maintenance/sweep_resend", State.QUEUED),
        ("maintenance/sweep_park", State.PARKED),
        ("maintenance/sweep_expire", State.EXPIRED),
    ):
        with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
            found = rows(cursor, name, scale=settings.time_scale(), timeout=settings.provider_timeout())
            settle_or_release(cursor, [row["id"] for row in found], state, state.value)
        if found:
            moved[state.value] = len(found)
    if moved:
        log.info("Swept: %s", moved)
    return moved


def tell_of_parked(connection: Connection) -> None:
    """Tells on-call of deliveries that were parked a moment ago."""
    row = connection.execute(
        "SELECT count(*) FROM failed_jobs WHERE state = 'open' AND job_data ->> 'state' = 'parked'"
        " AND failed_at > now() - make_interval(secs => %s)",
        (2 * TELL_SECONDS,),
    ).fetchone()
    if row is not None and row[0]:
        alert(
            "critical",
            f"{row[0]} deliveries are parked",
            "Nobody knows whether they were sent: the provider gave no answer and no callback came.",
            "Look at `python -m notifier dead-letters list` and the provider's log; replay those that did not arrive.",
            cause="parked deliveries",
            connection=connection,
        )


def apply_events(connection: Connection) -> None:
    """Applies what a web process stored and did not live to apply."""
    with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
        provider_events.apply_some(cursor)


def ring_for_due(connection: Connection) -> None:
    """Rings for every lane in which something is due, as often as it could be worked on at once."""
    cursor = connection.cursor(row_factory=dict_row)
    for row in rows(cursor, "maintenance/due_queues", kinds=list(KINDS)):
        queue = QUEUES[row["queue_name"]]
        try:
            wake(queue, times=-(-int(row["due"]) // queue.batch))
        except Exception as error:
            log.warning("Redis does not take the bell of %s (%s)", queue.queue_name, type(error).__name__)
            return


def sweep_lookups(connection: Connection) -> None:
    with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
        worker.sweep(cursor)


def refresh_after_merge(connection: Connection) -> None:
    """Derives the properties again that a merge and the API's answers have derived side by side, once it is over."""
    connection.execute("SELECT refresh_after_merge()")


def reconcile(connection: Connection) -> None:
    """Has the SMS lane ask the provider about texts of which nobody knows, or has heard for long."""
    cursor: psycopg.Cursor[DictRow] = connection.cursor(row_factory=dict_row)
    if rows(cursor, "channels/unconfirmed_sms", scale=settings.time_scale(), limit=1):
        wake_sms_reconciliation()


@dataclass(frozen=True)
class PeriodicTask:
    """Something the elected sweeper does every ``seconds``, scaled when ``is_scaled``.

    What may take long, because somebody else is to answer or much is to be read, is done aside.
    """

    do: Callable[[Connection], object]
    seconds: float = 0.0
    is_scaled: bool = False
    is_aside: bool = False


PERIODIC_TASKS = (
    PeriodicTask(sweep),
    PeriodicTask(apply_events),
    PeriodicTask(ring_for_due),
    PeriodicTask(sweep_lookups),
    PeriodicTask(refresh_after_merge),
    PeriodicTask(reconcile, 60, is_scaled=True),
    PeriodicTask(tell_of_parked, TELL_SECONDS, is_aside=True),
    PeriodicTask(lambda connection: dead_letter_middleware.recover_dead_letters(), 30, is_aside=True),
    PeriodicTask(ledger_check.watch, 3600, is_aside=True),
)


class PeriodicTasks:
    """Does each chore when it is its time; one that fails does not keep the others from being done."""

    def __init__(self, chores: tuple[PeriodicTask, ...]) -> None:
        self._next = dict.fromkeys(chores, 0.0)
        self._aside: dict[PeriodicTask, Thread] = {}

    def go(self, connection: Connection) -> None:
        """Raises psycopg.Error only when the connection is gone."""
        for chore, due in self._next.items():
            if time.monotonic() < due:
                continue
            self._next[chore] = time.monotonic() + chore.seconds * (settings.time_scale() if chore.is_scaled else 1)
            if chore.is_aside:
                self._do_aside(chore)
                continue
            try:
                chore.do(connection)
            except Exception as error:
                if connection.closed:
                    raise
                log.error("The sweeper could not do a chore: %s", where(error))

    def _do_aside(self, chore: PeriodicTask) -> None:
        """On a connection of its own, unless the last time has not ended yet."""

        def do() -> None:
            try:
                with database.connect("sweeper-aside", options=LIMITS) as connection:
                    chore.do(connection)
            except Exception as error:
                log.error("The sweeper could not do a chore: %s", where(error))

        if (last := self._aside.get(chore)) is None or not last.is_alive():
            self._aside[chore] = Thread(target=do, name="sweeper-aside", daemon=True)
            self._aside[chore].start()
