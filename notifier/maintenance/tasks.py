"""The leader's periodic tasks."""

from __future__ import annotations

import time

from psycopg.rows import dict_row

from leads.alert import alert, recovered
from leads.logs import get_logger
from notifier.broker import dead_letter_middleware
from notifier.broker.wakeups import wake, wake_sms_reconciliation
from notifier.core.db import rows, statement
from notifier.core.queues import KINDS, QUEUES, SMS, kinds_of
from notifier.core.settings import settings
from notifier.deliveries import ledger_check, provider_events
from notifier.deliveries.breakers import RESUMES
from notifier.lookups import worker
from notifier.maintenance.operator_actions import continue_operator_actions
from notifier.maintenance.scheduler import Connection, PeriodicTask
from notifier.maintenance.sweep import sweep
from notifier.providers import twilio

log = get_logger(__name__)

#: How many deliveries of a kind become due in one transaction, and how long (s) each round may mark deliveries.
MARK_BATCH = 2_000
MARK_SECONDS = 0.5
FOLD_SECONDS = 5.0
PARKED_ALERT_SECONDS = 10.0
REPORTS_SECONDS = 10.0
PAUSES_SECONDS = 10.0
#: The number of SMS messages that must end with the same sender error before the queue stops.
FAILED_REPORTS = 5
REPORTS_CAUSE = "undelivered SMS"


def apply_events(connection: Connection) -> None:
    """Apply provider events that a web process stored but did not apply before it ended."""
    with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
        provider_events.apply_some(cursor)


def link_old_events(connection: Connection) -> None:
    """Link events whose delivery had its provider id when they arrived, but that no process has linked since then."""
    with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
        provider_events.link(cursor, provider_events.OLDEST)


def mark_due_deliveries(connection: Connection) -> None:
    """Mark the deliveries whose time has come, so that workers claim them."""
    end = time.monotonic() + MARK_SECONDS
    while time.monotonic() < end:
        row = connection.execute("SELECT mark_due_deliveries(%s)", (MARK_BATCH,)).fetchone()
        if row is None or row[0] < MARK_BATCH:
            return


def fold_metric_changes(connection: Connection) -> None:
    """Replace the rows of each count by their sum."""
    connection.execute("SELECT fold_metric_changes()")


def write_ledger_backlog(connection: Connection) -> None:
    """Write the ledger entries that had to wait because another session had locked the subscriber's row."""
    connection.execute(statement("deliveries/write_ledger_backlog"))


def wake_due_queues(connection: Connection) -> None:
    """Wake each queue that has due deliveries. Sends one wake-up for each batch."""
    with connection.cursor(row_factory=dict_row) as cursor:
        due = rows(cursor, "maintenance/due_queues", kinds=list(KINDS))
    for row in due:
        queue = QUEUES[row["queue_name"]]
        try:
            wake(queue, times=-(-int(row["due"]) // queue.batch) + int(row["alone"]))
        except Exception as error:
            log.warning("redis_away", error=type(error).__name__, queue=queue.queue_name)
            return


def sweep_lookups(connection: Connection) -> None:
    """Wake a worker again for lookups whose messages were lost.

    If no worker claimed a lookup in time, mark the lookup as failed.
    """
    with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
        worker.sweep(cursor)


def refresh_after_merge(connection: Connection) -> None:
    """Recompute rows in ``properties`` if a merge and an answer from the county's API changed them at the same time."""
    connection.execute("SELECT refresh_after_merge()")


def reconcile_sms(connection: Connection) -> None:
    """Wake a worker to ask Twilio about SMS messages whose outcome is unknown or overdue."""
    with connection.cursor(row_factory=dict_row) as cursor:
        unconfirmed = rows(cursor, "channels/unconfirmed_sms", scale=settings.notifier_time_scale, limit=1)
    if unconfirmed:
        wake_sms_reconciliation()


def alert_on_parked(connection: Connection) -> None:
    """Alert on-call about deliveries that were parked recently."""
    row = connection.execute(
        "SELECT count(*) FROM failed_jobs WHERE state = 'open' AND job_data ->> 'state' = 'parked'"
        " AND failed_at > now() - make_interval(secs => %s)",
        (2 * PARKED_ALERT_SECONDS,),
    ).fetchone()
    if row is not None and row[0]:
        alert(
            "critical",
            f"{row[0]} deliveries are parked",
            "The provider did not answer and sent no callback, so these deliveries may or may not have been sent.",
            "Run `python -m notifier dead-letters list`, compare it with the provider's log, and replay those that did "
            "not arrive.",
            cause="parked deliveries",
            connection=connection,
        )


def recover_dead_letters(connection: Connection) -> None:
    """Write the dead letters that could not be written when Redis rejected their messages."""
    dead_letter_middleware.recover_dead_letters()


def watch_sms_reports(connection: Connection) -> None:
    """Stop the SMS queue and alert on-call if Twilio reports that the sender's SMS messages are not delivered.

    Twilio accepts an SMS even if its sender is not registered or a carrier will filter it, and reports the failure
    later.
    """
    kinds = list(kinds_of(SMS))
    parameters = {
        "queue": SMS.queue_name,
        "kinds": kinds,
        "codes": [str(code) for code in twilio.SENDER_AT_FAULT],
        "least": FAILED_REPORTS,
        "wait": 60 * settings.notifier_time_scale,
    }
    with connection.cursor(row_factory=dict_row) as cursor:
        closed = rows(cursor, "maintenance/close_reported_breaker", queue=SMS.queue_name, kinds=kinds)
        opened = rows(cursor, "maintenance/open_reported_breaker", **parameters)
    if closed:
        recovered("Twilio reports that SMS are delivered again.", cause=REPORTS_CAUSE, connection=connection)
    for row in opened:
        alert(
            "critical",
            f"SMS are not delivered: code {row['code']}",
            f"{row['reason']}. SMS wait, except for one trial a minute. The tokens for undelivered SMS are refunded.",
            f"Look up https://www.twilio.com/docs/api/errors/{row['code']} and correct the sender at Twilio. {RESUMES}",
            cause=REPORTS_CAUSE,
            connection=connection,
        )


def alert_on_pauses(connection: Connection) -> None:
    """Alert on-call about each queue that has been paused for longer than an hour, and report when it is resumed.

    The alert does not quote the operator's name and reason, because an alert contains no personal data.
    """
    causes = {name: f"paused queue {name}" for name in QUEUES}
    parameters = {"queues": list(causes), "causes": list(causes.values()), "scale": settings.notifier_time_scale}
    with connection.cursor(row_factory=dict_row) as cursor:
        found = rows(cursor, "maintenance/long_pauses", **parameters)
    for row in found:
        name, since = row["queue_name"], row["paused_at"]
        if since is None:
            recovered(f"The queue {name} is no longer paused.", cause=causes[name], connection=connection)
            continue
        alert(
            "warning",
            f"The queue {name} is paused",
            f"An operator paused it at {since:%Y-%m-%d %H:%M %Z}. {row['waiting']} deliveries or lookups wait. "
            "Those that wait too long expire.",
            f"`python -m notifier status` says who paused it and why. To go on, run `python -m notifier resume {name} "
            "--reason TEXT`.",
            cause=causes[name],
            connection=connection,
        )


PERIODIC_TASKS = (
    PeriodicTask("sweep", sweep),
    PeriodicTask("apply-events", apply_events),
    PeriodicTask("mark-due-deliveries", mark_due_deliveries),
    PeriodicTask("wake-due-queues", wake_due_queues),
    PeriodicTask("write-ledger-backlog", write_ledger_backlog),
    PeriodicTask("sweep-lookups", sweep_lookups),
    PeriodicTask("continue-operator-actions", continue_operator_actions),
    PeriodicTask("refresh-after-merge", refresh_after_merge),
    PeriodicTask("fold-metric-changes", fold_metric_changes, FOLD_SECONDS),
    PeriodicTask("link-old-events", link_old_events, 3600, has_own_thread=True),
    PeriodicTask("reconcile-sms", reconcile_sms, 60, is_scaled=True),
    PeriodicTask("watch-sms-reports", watch_sms_reports, REPORTS_SECONDS, has_own_thread=True),
    PeriodicTask("alert-on-parked", alert_on_parked, PARKED_ALERT_SECONDS, has_own_thread=True),
    PeriodicTask("alert-on-pauses", alert_on_pauses, PAUSES_SECONDS, has_own_thread=True),
    PeriodicTask("recover-dead-letters", recover_dead_letters, 30, has_own_thread=True),
    PeriodicTask("check-ledger", ledger_check.watch, 3600, has_own_thread=True),
)
