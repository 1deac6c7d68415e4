"""The sweeper: finds what no message speaks of. A thread in every worker process; one at a time sweeps."""

from __future__ import annotations

import logging
import os
import socket
from threading import Event, Thread
from typing import Any

import psycopg
from dramatiq import Worker
from dramatiq.middleware import Middleware
from psycopg.rows import DictRow, dict_row

from leads import database, settings
from leads.alert import alert
from notifier import answering
from notifier.airflow_watch import AirflowWatch
from notifier.bells import ring
from notifier.deliveries import settle_or_release
from notifier.lanes import LANES
from notifier.sending import KINDS
from notifier.states import State
from notifier.store import rows

log = logging.getLogger(__name__)

SWEEP_SECONDS = 1.0
HEARTBEAT_SECONDS = 5.0
SWEEPER_LOCK = "notifier:sweeper"


class Sweeper(Middleware):
    """Runs the sweeper beside a worker, from its start to its end."""

    def __init__(self) -> None:
        self._stop = Event()
        self._thread: Thread | None = None
        self._airflow_watch = AirflowWatch()

    def after_worker_boot(self, broker: Any, worker: Worker) -> None:
        queues = sorted(set(LANES) & (worker.consumer_whitelist or set(LANES)))
        self._thread = Thread(target=self._run, args=(worker, queues), name="sweeper", daemon=True)
        self._thread.start()

    def before_worker_shutdown(self, broker: Any, worker: Worker) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def _run(self, worker: Worker, queues: list[str]) -> None:
        """Connects anew whenever the database was away; the lock goes with the connection."""
        while not self._stop.is_set():
            try:
                with database.connect("sweeper", options="-c statement_timeout=30000") as connection:
                    self._serve(connection, worker, queues)
            except psycopg.Error as error:
                log.warning("The sweeper lost the database (%s), connecting again", type(error).__name__)
            except Exception:
                log.exception("The sweeper failed, starting again")
            self._stop.wait(SWEEP_SECONDS)

    def _serve(self, connection: psycopg.Connection, worker: Worker, queues: list[str]) -> None:
        cursor = connection.cursor(row_factory=dict_row)
        elected = False
        beat = 0.0
        while not self._stop.is_set():
            if beat <= 0:
                _heartbeat(cursor, worker, queues)
                beat = HEARTBEAT_SECONDS
            if not elected:
                cursor.execute("SELECT pg_try_advisory_lock(hashtext(%s)) AS mine", (SWEEPER_LOCK,))
                elected = bool((cursor.fetchone() or {})["mine"])
            if elected:
                sweep(connection)
                self._airflow_watch.look()
            self._stop.wait(SWEEP_SECONDS)
            beat -= SWEEP_SECONDS
        cursor.execute("DELETE FROM lane_status WHERE process_id = %s", (_process_id(),))


def sweep(connection: psycopg.Connection) -> dict[str, int]:
    """Moves on what time decides and rings for what is due; returns how many rows got each state."""
    moved: dict[str, list[int]] = {}
    cursor = connection.cursor(row_factory=dict_row)
    with connection.transaction():
        for row in rows(cursor, "sweep", scale=settings.time_scale(), timeout=settings.provider_timeout()):
            moved.setdefault(row["state"], []).append(row["id"])
        for state in (State.PARKED, State.EXPIRED):
            settle_or_release(cursor, moved.get(state, []), state, state.value)
    if moved:
        log.info("Swept: %s", {state: len(ids) for state, ids in moved.items()})
    if parked := moved.get(State.PARKED):
        alert(
            "critical",
            f"{len(parked)} deliveries are parked",
            "Nobody knows whether they were sent: the provider gave no answer and no callback came.",
            "Look at failed_jobs and at the provider's log; replay those that did not arrive.",
            cause="parked deliveries",
        )
    _ring_for_due(cursor)
    answering.sweep(cursor)
    return {state: len(ids) for state, ids in moved.items()}


def _ring_for_due(cursor: psycopg.Cursor[DictRow]) -> None:
    for row in rows(cursor, "due_lanes", kinds=list(KINDS)):
        lane = LANES[row["queue_name"]]
        try:
            ring(lane, times=-(-int(row["due"]) // lane.batch))
        except Exception as error:
            log.warning("Redis does not take the bell of %s (%s): next second again", lane.queue_name, error)


def _heartbeat(cursor: psycopg.Cursor[DictRow], worker: Worker, queues: list[str]) -> None:
    cursor.execute(
        "INSERT INTO lane_status (process_id, queue_name, active, heartbeat_at)"
        " SELECT %s, queue_name, %s, now() FROM unnest(%s::text[]) AS queue_name"
        " ON CONFLICT (process_id, queue_name) DO UPDATE SET active = excluded.active, heartbeat_at = now()",
        (_process_id(), 0, queues),
    )


def _process_id() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"
