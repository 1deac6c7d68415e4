"""Voice sessions: the delivery and the script of a call in progress, and how answers affect the lead."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import psycopg
from psycopg.rows import DictRow

from leads.logs import get_logger
from notifier.core import pricing
from notifier.core.db import records, rows, transaction
from notifier.core.phone_numbers import e164
from notifier.core.settings import settings
from notifier.deliveries.suppressions import suppress
from notifier.voice.responders import Script

log = get_logger(__name__)

#: The words with which a person asks not to be called again.
_OPT_OUT = re.compile(
    r"\b(do not|don't|dont|stop|quit|never) call|\b(remove|take) me\b|\bunsubscribe\b|\bno call list\b|^stop\W*$",
    re.IGNORECASE,
)


class CallRefused(Exception):
    """An inbound call that is not answered.

    The exception's message is the reason: suppressed, lines_busy or caller_limit.
    """


@dataclass(frozen=True)
class Call:
    """A call in progress, with its script."""

    delivery_id: int
    script: Script
    is_inbound: bool
    duration: timedelta

    @property
    def is_over_limit(self) -> bool:
        """True if the call has lasted longer than its held tokens pay for."""
        return self.duration > timedelta(minutes=pricing.call_minutes())


@dataclass(frozen=True)
class _CallRow:
    id: int
    kind: str
    duration: timedelta
    name: str | None
    greeting_message: str | None
    outbound_greeting: str | None
    voicemail_message: str | None

    def call(self) -> Call:
        is_inbound = self.kind == "inbound_call"
        greeting = self.greeting_message if is_inbound else self.outbound_greeting or self.greeting_message
        script = Script(self.name or "", greeting or "", self.voicemail_message or "")
        return Call(self.id, script, is_inbound, self.duration)


def find(delivery_id: int | None, sid: str) -> Call | None:
    """Return the call for a delivery id or SID, or None if no delivery or no script matches."""
    with transaction() as cursor:
        found = records(cursor, _CallRow, "voice/find_call", delivery=delivery_id, sid=sid)
    return found[0].call() if found else None


def open_inbound(sid: str, caller: str, called: str) -> Call | None:
    """Enqueue an inbound call with its token hold, in one transaction. A repeated SID returns the same call.

    Returns None if the called number belongs to no subscriber, or if its subscriber has no active script or too few
    tokens. Raises CallRefused if the caller is suppressed or has reached a limit.
    """
    numbers = {"sid": sid, "caller": e164(caller) or caller, "called": e164(called) or called}
    with transaction() as cursor:
        owner = rows(cursor, "voice/called_subscriber", called=called)
        if not owner:
            return None
        reason = _open(cursor, numbers, owner[0])
        answered = records(cursor, _CallRow, "voice/find_call", delivery=None, sid=sid)
    if reason and not answered:
        log.warning("inbound_call_refused", call_sid=sid, reason=reason, subscriber_id=owner[0]["subscriber_id"])
        raise CallRefused(reason)
    return answered[0].call() if answered else None


def _open(cursor: psycopg.Cursor[DictRow], numbers: Mapping[str, str], owner: DictRow) -> str | None:
    """Write the delivery for an inbound call. Returns the reason if the call is refused, and None otherwise."""
    longest, subscriber = pricing.longest_seconds(), owner["subscriber_id"]
    # Take a lock, so that only one process at a time counts calls.
    cursor.execute("SELECT pg_advisory_xact_lock(hashtext('notifier:inbound'))")
    limits = {
        "lines": settings.inbound_lines,
        "calls": settings.inbound_calls_per_hour,
        "subscriber_calls": settings.inbound_calls_per_subscriber,
        "longest": longest,
    }
    (found,) = rows(cursor, "voice/inbound_refusal", **numbers, **limits, subscriber=subscriber)
    reason: str | None = found["reason"]
    delivery = {"sid": numbers["sid"], "subscriber": subscriber, "script": owner["script_id"]}
    rows(cursor, "voice/enqueue_inbound_call", **delivery, tokens=0 if reason else pricing.call_hold())
    if reason:
        rows(cursor, "voice/refuse_inbound", **numbers, reason=reason)
    else:
        rows(cursor, "voice/answer_inbound", **numbers, scale=settings.notifier_time_scale, longest=longest)
    return reason


def human_answered(sid: str, delivery_id: int | None = None) -> None:
    """Record that a person answered the call, and mark the lead as contacted. A repeated report changes nothing."""
    with transaction() as cursor:
        rows(cursor, "voice/human_answered", sid=sid, delivery=delivery_id)


def wants_no_calls(said: str) -> bool:
    """Return whether the person asked not to be called again."""
    return _OPT_OUT.search(said) is not None


def suppress_calls(number: str) -> None:
    """Suppress all further calls to ``number``. A withheld number cannot be suppressed."""
    if known := e164(number):
        suppress("voice", known, "asked on a call")
