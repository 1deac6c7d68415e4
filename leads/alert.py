"""The one path to on-call: grouped, so that one cause is one alert, and independent of every queue.

An alert is a row of ``oncall_alerts`` first. It counts as told when an address has taken it; until then it is sent
again (``send_untold``), and while the database is away it is sent all the same.
"""

from __future__ import annotations

import logging
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
from leads.redaction import redact
from leads.settings import MissingSetting

log = logging.getLogger(__name__)

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
    """Tells on-call through the addresses of ``ONCALL_URLS`` and ``ADMIN_ALERT_EMAIL``; returns whether it was sent.

    ``severity`` is ``info``, ``warning`` or ``critical``. The same ``cause`` (default: the subject) is told at most
    once an hour, however often it is reported. ``affects`` names what has to recover before the alert closes by
    itself (``recovered``). ``connection`` (autocommit) is used instead of a new one. Secrets are masked. Never raises:
    whoever reports a failure has enough to do.
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
        log.warning("The database does not group alerts (%s): this one is sent as it is", type(error).__name__)
        return _send_ungrouped(fingerprint, severity, subject, body)
    except Exception:
        log.exception("On-call was not told", extra={"subject": subject})
        return False


def recovered(
    message: str,
    *,
    cause: str | None = None,
    affected: str | None = None,
    connection: psycopg.Connection[Any] | None = None,
) -> int:
    """Closes the open alert of ``cause``, and those that wait only for ``affected``; tells on-call that it is over.

    Returns how many were closed; an alert that nobody reported costs nothing. Never raises.
    """
    try:
        with _database(connection) as database:
            row = database.execute(
                "SELECT close_alerts(%s, %s, %s)", (cause and redact(cause)[:200], affected, redact(message))
            ).fetchone()
            closed = int(row[0]) if row else 0
            if closed:
                send_untold(database)
            return closed
    except Exception:
        log.exception("An alert could not be closed", extra={"cause": cause or affected})
        return 0


def send_untold(connection: psycopg.Connection[Any] | None = None) -> int:
    """Sends what no address has taken yet, alerts and recoveries; returns how many were told. Never raises."""
    told = 0
    try:
        with _database(connection) as database:
            untold = database.execute(
                "SELECT fingerprint, severity, subject, message, opened_at, recovery FROM claim_untold_alerts()"
            ).fetchall()
            for fingerprint, severity, subject, body, since, recovery in untold:
                if recovery is not None:
                    severity, subject = "info", f"recovered: {subject}"
                    body = f"{recovery}\n\nSince {since:%Y-%m-%d %H:%M %Z}: {body}"
                told += _send_and_note(database, fingerprint, severity, subject, body, is_recovery=recovery is not None)
    except Exception:
        log.exception("On-call was not told of what is open in oncall_alerts")
    return told


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
    """Sends; the row says that it was told only when an address took it. Without an address its claim stays."""
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
        log.warning("The database went away while on-call was told: it may be told again", extra={"subject": subject})
    return sent


def _send_ungrouped(fingerprint: str, severity: str, subject: str, body: str) -> bool:
    """Without the database, a file of this machine keeps one cause to one alert an hour."""
    stamp = Path(tempfile.gettempdir()) / f"oncall-{os.getuid()}-{sha256(fingerprint.encode()).hexdigest()[:24]}"
    try:
        if stamp.exists() and time.time() - stamp.lstat().st_mtime < _HOUR:
            return False
        sent = bool(_send(severity, subject, body))
        if sent:
            stamp.touch()
        return sent
    except Exception:
        log.exception("On-call was not told", extra={"subject": subject})
        return False


def _send(severity: str, subject: str, body: str) -> bool | None:
    """True when at least one address took it, None when there is none to tell."""
    import apprise  # half a second, and most processes never alert

    kinds = {"critical": apprise.NotifyType.FAILURE, "warning": apprise.NotifyType.WARNING}
    channel = apprise.Apprise()
    for address in _addresses():
        if not channel.add(address):
            log.error("An address of ONCALL_URLS or ADMIN_ALERT_EMAIL is none that Apprise knows")
    if not channel:
        log.error("ON-CALL [%s] %s: %s (set ONCALL_URLS to be told)", severity, subject, body)
        return None
    took = [
        bool(server.notify(title=f"[{severity}] {subject}", body=body, notify_type=kinds.get(severity, "info")))
        for server in channel
    ]
    if not all(took):
        log.error("%s of %s on-call addresses did not take: [%s] %s", took.count(False), len(took), severity, subject)
    return any(took)


def _addresses() -> list[str]:
    """Apprise addresses; a bare e-mail address is reached through the mail server of ``ONCALL_URLS``."""
    addresses = [address for part in os.environ.get("ONCALL_URLS", "").split(",") if (address := part.strip())]
    admin = os.environ.get("ADMIN_ALERT_EMAIL", "").strip()
    if admin and "://" not in admin:
        server = next((urlsplit(a) for a in addresses if a.startswith(("mailto://", "mailtos://"))), None)
        if server is None:
            log.error("ADMIN_ALERT_EMAIL needs a mail server: give it as mailto://user:password@server?to=address")
            return addresses
        query = dict(parse_qsl(server.query)) | {"to": admin}
        admin = urlunsplit(server._replace(path="", query=urlencode(query)))
    return [*addresses, admin] if admin else addresses
