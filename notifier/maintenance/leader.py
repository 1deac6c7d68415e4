"""The maintenance thread of a worker process.

In every process, the thread writes the heartbeat and requeues unconfirmed claims. In one process, the leader, the
thread also runs the periodic tasks.
"""

from __future__ import annotations

import time
from threading import Event, Thread
from typing import Any

import psycopg
from dramatiq import Worker
from dramatiq.middleware import Middleware
from psycopg.rows import DictRow, dict_row

from leads import database
from leads.logs import get_logger
from leads.redaction import where
from notifier.broker import heartbeat
from notifier.broker.dramatiq_internals import served_queues
from notifier.core.db import rows
from notifier.core.queues import QUEUES
from notifier.deliveries import lifecycle
from notifier.maintenance.airflow_watchdog import AirflowWatchdog
from notifier.maintenance.scheduler import LIMITS, Connection, Scheduler
from notifier.maintenance.tasks import PERIODIC_TASKS

log = get_logger(__name__)

INTERVAL_SECONDS = 1.0
HEARTBEAT_SECONDS = 5.0
#: The application name of the connection that holds the leader's lock.
APPLICATION_NAME = "maintenance"
#: A working leader sends a statement every second. A leader that has sent no statement for this many seconds is
#: considered frozen or disconnected, and loses the lock.
SILENT_SECONDS = 20.0
#: The name of the leader's advisory lock. Do not change this name. During an upgrade, the old release's workers and the
#: new release's workers run at the same time, and the shared name ensures that there is only one leader.
LEADER_LOCK = "notifier:sweeper"


class LeaderMiddleware(Middleware):
    """Runs the maintenance thread of a worker process until the worker shuts down."""

    def __init__(self) -> None:
        self._stop = Event()
        self._thread: Thread | None = None
        self._airflow_watchdog = AirflowWatchdog()

    def after_worker_boot(self, broker: Any, worker: Worker) -> None:
        """Start the maintenance thread."""
        queues = sorted(served_queues(worker, QUEUES))
        self._thread = Thread(target=self._run, args=(queues,), name="maintenance", daemon=True)
        self._thread.start()

    def before_worker_shutdown(self, broker: Any, worker: Worker) -> None:
        """Stop the maintenance thread, and wait up to 5 s for it to end."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def _run(self, queues: list[str]) -> None:
        """Run maintenance, and reconnect if the connection is lost. A lost connection releases the leader's lock."""
        while not self._stop.is_set():
            try:
                with database.connect(APPLICATION_NAME, options=LIMITS) as connection:
                    self._serve(connection, queues)
            except psycopg.Error as error:
                log.warning("database_lost", error=type(error).__name__, consequence="maintenance reconnects")
            except Exception as error:
                log.error("maintenance_failed", error=where(error), consequence="restarted")
            self._stop.wait(INTERVAL_SECONDS)

    def _serve(self, connection: Connection, queues: list[str]) -> None:
        cursor = connection.cursor(row_factory=dict_row)
        is_leader = False
        next_heartbeat = 0.0
        scheduler = Scheduler(PERIODIC_TASKS)
        while not self._stop.is_set():
            if time.monotonic() >= next_heartbeat:
                heartbeat.beat(cursor, queues)
                next_heartbeat = time.monotonic() + HEARTBEAT_SECONDS
            lifecycle.requeue_unconfirmed_claims(cursor)
            is_leader = is_leader or _take_lock(cursor)
            if is_leader:
                scheduler.run_due(connection)
                self._airflow_watchdog.check()
            self._stop.wait(INTERVAL_SECONDS)
        cursor.execute("DELETE FROM lane_status WHERE process_id = %s", (heartbeat.process_id(),))


def _take_lock(cursor: psycopg.Cursor[DictRow]) -> bool:
    """Try to take the leader's lock, which a connection holds until the connection closes.

    Returns whether the connection now holds the lock. If the current leader has been silent for SILENT_SECONDS, closes
    the leader's connection. The next call can then take the lock, and a frozen leader that resumes no longer holds it.
    """
    cursor.execute("SELECT pg_try_advisory_lock(hashtext(%s)) AS is_taken", (LEADER_LOCK,))
    if (cursor.fetchone() or {})["is_taken"]:
        return True
    parameters = {"lock": LEADER_LOCK, "application": APPLICATION_NAME, "seconds": SILENT_SECONDS}
    if silent := rows(cursor, "maintenance/end_silent_leader", **parameters):
        log.warning("leader_silent", ended=len(silent), consequence="another process takes over")
    return False
