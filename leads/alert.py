"""The one path to on-call: grouped, so that one cause is one alert, and independent of every queue."""

from __future__ import annotations

import hashlib
import logging
import os

import psycopg

from leads.database import connect

log = logging.getLogger(__name__)


def alert(severity: str, subject: str, message: str, action_required: str, *, cause: str | None = None) -> bool:
    """Tells on-call through the addresses of ``ONCALL_URLS`` and ``ADMIN_ALERT_EMAIL``; returns whether it was sent.

    ``severity`` is ``info``, ``warning`` or ``critical``. The same ``cause`` (default: the subject) is told at most
    once an hour, however often it is reported. Never raises: whoever reports a failure has enough to do.
    """
    try:
        if not _first_this_hour(cause or subject, severity, subject):
            return False
        return _send(severity, subject, f"{message}\n\nWhat to do: {action_required}")
    except Exception:
        log.exception("On-call was not told", extra={"subject": subject})
        return False


def _first_this_hour(cause: str, severity: str, subject: str) -> bool:
    fingerprint = hashlib.sha256(cause.encode()).hexdigest()[:32]
    try:
        with connect("oncall", options="-c statement_timeout=5000") as connection:
            row = connection.execute(
                "INSERT INTO oncall_alerts AS a (fingerprint, severity, subject, last_sent_at)"
                " VALUES (%s, %s, %s, now())"
                " ON CONFLICT (fingerprint) DO UPDATE SET count = a.count + 1, closed_at = NULL,"
                " last_sent_at = CASE WHEN a.last_sent_at < now() - interval '1 hour' THEN now()"
                " ELSE a.last_sent_at END"
                " RETURNING last_sent_at = now()",
                (fingerprint, severity, subject),
            ).fetchone()
        return bool(row and row[0])
    except psycopg.Error:
        log.warning("The database does not group alerts: this one is sent as it is")
        return True


def _send(severity: str, subject: str, body: str) -> bool:
    import apprise  # half a second, and most processes never alert

    addresses = [*os.environ.get("ONCALL_URLS", "").split(","), os.environ.get("ADMIN_ALERT_EMAIL", "")]
    channel = apprise.Apprise()
    for address in filter(None, map(str.strip, addresses)):
        if not channel.add(address):
            log.error("An address of ONCALL_URLS or ADMIN_ALERT_EMAIL is none that Apprise knows")
    if not channel:
        log.error("ON-CALL [%s] %s: %s (set ONCALL_URLS to be told)", severity, subject, body)
        return False
    kinds = {"critical": apprise.NotifyType.FAILURE, "warning": apprise.NotifyType.WARNING}
    return bool(channel.notify(title=f"[{severity}] {subject}", body=body, notify_type=kinds.get(severity, "info")))
