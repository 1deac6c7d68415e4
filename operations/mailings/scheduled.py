"""Scheduled e-mails. The batch side only writes rows; the notifier composes and sends each e-mail when it is due.

Each function enqueues one delivery for each subscriber who wants the e-mail and returns the counts ``opened`` and
``unpaid``. A delivery is unpaid, and its state is ``skipped``, if the subscriber has too few tokens. A rerun does not
enqueue the same delivery again. A run for a past date enqueues nothing, because its e-mails would be out of date: the
next digest contains that date's leads, and the next run for reminders enqueues the reminders that are still due.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

import psycopg
from psycopg.rows import dict_row

from leads.logs import get_logger
from leads.sql import statement

log = get_logger(__name__)

NOBODY = {"opened": 0, "unpaid": 0}


def open_digests(connection: psycopg.Connection, day: date, *, today: date) -> dict[str, int]:
    """Enqueue the digests for ``day``, due at each subscriber's next ``digest_time`` after 5:00 (New York)."""
    return _open(connection, "daily_digest", wanted=day == today, day=day)


def open_reports(connection: psycopg.Connection, day: date, *, today: date) -> dict[str, int]:
    """Enqueue reports on the last full week (Monday to Sunday) before ``day``, unless a later week has also ended."""
    week_start = last_week(day)
    return _open(connection, "weekly_report", wanted=week_start == last_week(today), week_start=week_start)


def open_trial_reminders(connection: psycopg.Connection, day: date, *, today: date, now: datetime) -> dict[str, int]:
    """Enqueue reminders for trials that end 7, 3 or 1 days after ``day``, counted in New York dates.

    Also makes up for days without a run: if a trial's reminder was missed and the trial has not ended by ``now``, the
    subscriber gets one reminder with the number of days left.
    """
    return _open(connection, "trial_reminders", wanted=day == today, day=day, now=now)


def last_week(day: date) -> date:
    """Return the Monday of the last week that ended before ``day``."""
    return day - timedelta(days=day.weekday() + 7)


def _open(connection: psycopg.Connection, name: str, *, wanted: bool, **parameters: date | datetime) -> dict[str, int]:
    if not wanted:
        log.info(
            "mailing_skipped", mailing=name, reason="its day is over", **{k: str(v) for k, v in parameters.items()}
        )
        return dict(NOBODY)
    with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(statement(f"operations/mailings/{name}"), parameters).fetchone()
    return dict(row or NOBODY)
