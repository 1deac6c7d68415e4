"""Alerts on-call when Airflow has stopped, because Airflow itself cannot send alerts then."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from threading import Thread

import psycopg

from leads import database
from leads.alert import alert, recovered, send_pending_alerts
from leads.logs import get_logger

log = get_logger(__name__)

QUIET_MINUTES = 15
INTERVAL_SECONDS = 60.0
CAUSE = "airflow is quiet"


class AirflowWatchdog:
    """Checks Airflow once a minute.

    A separate thread runs the check, so that a slow alert does not delay maintenance.
    """

    def __init__(self) -> None:
        self._since = datetime.now(UTC)
        self._due_at = 0.0
        self._thread: Thread | None = None

    def check(self) -> None:
        """Start a check when one is due, and return immediately."""
        if time.monotonic() < self._due_at or (self._thread is not None and self._thread.is_alive()):
            return
        self._due_at = time.monotonic() + INTERVAL_SECONDS
        self._thread = Thread(target=self._check, name="airflow-watchdog", daemon=True)
        self._thread.start()

    def _check(self) -> None:
        try:
            with database.connect("airflow-watchdog", options="-c statement_timeout=5000") as connection:
                alert_when_quiet(connection, since=self._since)
                send_pending_alerts(connection)
        except psycopg.Error as error:
            log.warning("database_away", error=type(error).__name__, consequence="Airflow is not watched")


def alert_when_quiet(connection: psycopg.Connection, *, since: datetime) -> bool:
    """Alert on-call once per hour while the latest row in ``queue_metrics`` is older than 15 minutes.

    Reports the recovery when a new row appears. If the table is empty, the 15 minutes are counted from ``since``.
    Returns whether Airflow seems to have stopped.
    """
    row = connection.execute(
        "SELECT coalesce(max(recorded_at), %(since)s) AS last,"
        " now() - coalesce(max(recorded_at), %(since)s) > make_interval(mins => %(minutes)s) FROM queue_metrics",
        {"since": since, "minutes": QUIET_MINUTES},
    ).fetchone()
    assert row is not None
    last, quiet = row
    if quiet:
        alert(
            "critical",
            "Airflow has gone quiet",
            f"Airflow writes queue_metrics every 5 minutes, but has written nothing since {last:%Y-%m-%d %H:%M %Z}: "
            "no ingestion, digest or report will run.",
            "Check that Airflow's scheduler, dag-processor and api-server run and that queue_metrics is not paused. "
            "When Airflow runs again, freshness_watch names the runs that were missed: backfill them.",
            cause=CAUSE,
            connection=connection,
        )
    else:
        recovered(f"queue_metrics has a row again ({last:%Y-%m-%d %H:%M %Z}).", cause=CAUSE, connection=connection)
    return bool(quiet)
