"""Airflow watches the rest; this watches Airflow, which cannot tell that it has stopped."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from threading import Thread

import psycopg

from leads import database
from leads.alert import alert, recovered, send_untold

log = logging.getLogger(__name__)

QUIET_MINUTES = 15
EVERY_SECONDS = 60.0
CAUSE = "airflow is quiet"


class AirflowWatchdog:
    """Looks once a minute, beside the sweeper: an address of on-call that hangs must not hold up what is due."""

    def __init__(self) -> None:
        self._began = datetime.now(UTC)
        self._next = 0.0
        self._thread: Thread | None = None

    def look(self) -> None:
        """Starts a look when one is due; returns at once."""
        if time.monotonic() < self._next or (self._thread is not None and self._thread.is_alive()):
            return
        self._next = time.monotonic() + EVERY_SECONDS
        self._thread = Thread(target=self._look, name="airflow-watch", daemon=True)
        self._thread.start()

    def _look(self) -> None:
        try:
            with database.connect("airflow-watch", options="-c statement_timeout=5000") as connection:
                tell_when_quiet(connection, since=self._began)
                send_untold(connection)
        except psycopg.Error as error:
            log.warning("Airflow is not watched while the database is away (%s)", type(error).__name__)


def tell_when_quiet(connection: psycopg.Connection, *, since: datetime) -> bool:
    """Tells on-call, once an hour, while no row of ``queue_metrics`` is younger than 15 minutes; and when one is again.

    A system that never had one is given that time from ``since`` on. Returns whether Airflow is quiet.
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
            f"queue_metrics, which Airflow writes every 5 minutes, has had no row since {last:%Y-%m-%d %H:%M %Z}: "
            "no ingestion, digest or report will run.",
            "Look whether Airflow's scheduler, dag-processor and api-server run and whether queue_metrics is paused. "
            "Runs that were missed meanwhile are named by freshness_watch once Airflow is back: backfill them.",
            cause=CAUSE,
            connection=connection,
        )
    else:
        recovered(f"queue_metrics has a row again ({last:%Y-%m-%d %H:%M %Z}).", cause=CAUSE, connection=connection)
    return bool(quiet)
