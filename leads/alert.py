"""Alerts for on-call. Alerts are grouped by cause, and sending an alert does not depend on a queue.

An alert is first written as a row in ``oncall_alerts``. The alert counts as sent when at least one address has accepted
it; until then ``send_pending_alerts`` tries again. If the database does not answer, alerts are sent without a row.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import psycopg

from leads.database import connect
from leads.logs import get_logger
from leads.redaction import redact
from leads.settings import MissingSetting, settings

log = get_logger(__name__)

_HOUR = 3600.0


def alert(
    severity: str,
    subject: str,
    message: str,
    action_required: str,
    *,
    cause: str | None = None,
    affects: Sequence[str] = (),
    connection: psycopg.Connection[Any] | None = None,
) -> bool:
    """Alert on-call through ``ONCALL_URLS`` and ``ADMIN_ALERT_EMAIL``; return whether the alert was sent.

    ``severity`` is ``info``, ``warning`` or ``critical``. An alert for the same ``cause`` (default: the subject) is
    sent at most once an hour, no matter how often the cause is reported. ``affects`` names the DAGs or runs that must
    recover before ``recovered`` closes the alert. If ``connection`` (autocommit) is given, no new connection is opened.
    Secrets are masked. Never raises, because the caller is already handling a failure.
    """
    fingerprint = redact(cause or subject)[:200]
    subject, body = redact(subject), redact(f"{message}\n\nWhat to do: {action_required}")
    try:
        with _database(connection) as database:
            row = database.execute(
                "SELECT claimed, count, opened_at FROM report_alert(%s, %s, %s, %s, %s)",
                (fingerprint, severity, subject, body, list(affects)),
            ).fetchone()
            claimed, count, since = row or (True, 1, None)
            if not claimed:
                return False
            if count > 1:
                body += f"\n\nReported {count} times since {since:%Y-%m-%d %H:%M %Z}."
            return _send_and_note(database, fingerprint, severity, subject, body)
    except (psycopg.Error, MissingSetting) as error:
        log.warning("alert_not_grouped", reason=type(error).__name__, remedy="check the leads database")
        return _send_ungrouped(fingerprint, severity, subject, body)
    except Exception:
        log.exception("alert_failed", subject=subject)
        return False


def recovered(
    message: str,
    *,
    cause: str | None = None,
    affected: str | None = None,
    connection: psycopg.Connection[Any] | None = None,
) -> int:
    """Close the alert for ``cause`` and the alerts that affect only ``affected``; notify on-call of the recovery.

    Also removes ``affected`` from other alerts. Returns how many alerts were closed. Never raises.
    """
    try:
        with _database(connection) as database:
            row = database.execute(
                "SELECT close_alerts(%s, %s, %s)", (cause and redact(cause)[:200], affected, redact(message))
            ).fetchone()
            closed = int(row[0]) if row else 0
            if closed:
                send_pending_alerts(database)
            return closed
    except Exception:
        log.exception("alert_not_closed", cause=cause or affected)
        return 0


def send_pending_alerts(connection: psycopg.Connection[Any] | None = None) -> int:
    """Send the alerts and recoveries that no address has accepted yet; return how many were sent. Never raises."""
    count = 0
    try:
        with _database(connection) as database:
            untold = database.execute(
                "SELECT fingerprint, severity, subject, message, opened_at, recovery FROM claim_untold_alerts()"
            ).fetchall()
            for fingerprint, severity, subject, body, since, recovery in untold:
                if recovery is not None:
                    severity, subject = "info", f"recovered: {subject}"
                    body = f"{recovery}\n\nSince {since:%Y-%m-%d %H:%M %Z}: {body}"
                count += _send_and_note(
                    database, fingerprint, severity, subject, body, is_recovery=recovery is not None
                )
    except Exception:
        log.exception("pending_alerts_failed")
    return count


@contextmanager
def _database(connection: psycopg.Connection[Any] | None) -> Iterator[psycopg.Connection[Any]]:
    if connection is not None:
        yield connection
        return
    with connect("oncall", options="-c statement_timeout=5000") as own:
        yield own


def _send_and_note(
    database: psycopg.Connection[Any],
    fingerprint: str,
    severity: str,
    subject: str,
    body: str,
    *,
    is_recovery: bool = False,
) -> bool:
    """Send an alert and record in its row whether an address accepted it.

    If no address is set, the row stays claimed.
    """
    sent = _send(severity, subject, body)
    if sent is None:
        return False
    try:
        database.execute(
            "UPDATE oncall_alerts SET sending_since = NULL,"
            " recovery = CASE WHEN %(sent)s AND %(is_recovery)s THEN NULL ELSE recovery END,"
            " last_sent_at = CASE WHEN %(sent)s AND NOT %(is_recovery)s THEN now() ELSE last_sent_at END"
            " WHERE fingerprint = %(fingerprint)s",
            {"sent": sent, "is_recovery": is_recovery, "fingerprint": fingerprint},
        )
    except psycopg.Error:
        log.warning("alert_not_recorded", subject=subject, consequence="it may be sent again")
    return sent


def _send_ungrouped(fingerprint: str, severity: str, subject: str, body: str) -> bool:
    """Send an alert without using the database; a file on this machine limits each cause to one alert per hour."""
    stamp = Path(tempfile.gettempdir()) / f"oncall-{os.getuid()}-{sha256(fingerprint.encode()).hexdigest()[:24]}"
    try:
        if stamp.exists() and time.time() - stamp.lstat().st_mtime < _HOUR:
            return False
        sent = bool(_send(severity, subject, body))
        if sent:
            stamp.touch()
        return sent
    except Exception:
        log.exception("alert_failed", subject=subject)
        return False


def _send(severity: str, subject: str, body: str) -> bool | None:
    """Send an alert; return whether at least one address accepted it, or None if no address is set."""
    import apprise  # imported here because the import is slow and most processes never send an alert

    kinds = {"critical": apprise.NotifyType.FAILURE, "warning": apprise.NotifyType.WARNING}
    channel = apprise.Apprise()
    for address in _addresses():
        if not channel.add(address):
            log.error("oncall_address_unknown", remedy="write ONCALL_URLS and ADMIN_ALERT_EMAIL as Apprise expects")
    if not channel:
        log.error("oncall_has_no_address", severity=severity, subject=subject, body=body, remedy="set ONCALL_URLS")
        return None
    accepted = [
        bool(server.notify(title=f"[{severity}] {subject}", body=body, notify_type=kinds.get(severity, "info")))
        for server in channel
    ]
    if refused := accepted.count(False):
        log.error("alert_refused", refused=refused, addresses=len(accepted), severity=severity, subject=subject)
    return any(accepted)


def _addresses() -> list[str]:
    """Return the Apprise addresses; a plain e-mail address is reached through the mail server in ``ONCALL_URLS``."""
    urls = settings.oncall_urls.get_secret_value()
    addresses = [address for part in urls.split(",") if (address := part.strip())]
    admin = settings.admin_alert_email.get_secret_value()
    if admin and "://" not in admin:
        server = next((urlsplit(a) for a in addresses if a.startswith(("mailto://", "mailtos://"))), None)
        if server is None:
            log.error("admin_alert_email_has_no_server", remedy="write it as mailto://user:password@server?to=address")
            return addresses
        query = dict(parse_qsl(server.query)) | {"to": admin}
        admin = urlunsplit(server._replace(path="", query=urlencode(query)))
    return [*addresses, admin] if admin else addresses
