"""Voice sessions: the delivery and the script of a call in progress, and the effects of answers on the lead."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

from notifier.core import pricing
from notifier.core.db import records, rows, transaction
from notifier.core.phone_numbers import e164
from notifier.core.settings import settings
from notifier.deliveries.suppressions import suppress
from notifier.voice.responders import Script

#: Words with which a person asks for no more calls.
_OPT_OUT = re.compile(
    r"\b(do not|don't|dont|stop|quit|never) call|\b(remove|take) me\b|\bunsubscribe\b|\bno call list\b|^stop\W*$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Call:
    """A call in progress, with its script."""

    delivery_id: int
    script: Script
    is_inbound: bool
    duration: timedelta

    @property
    def is_over_limit(self) -> bool:
        """True if the call has lasted as long as its held tokens pay for."""
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
    """Return the call for a delivery id or SID; None when no delivery or no script matches."""
    with transaction() as cursor:
        found = records(cursor, _CallRow, "voice/find_call", delivery=delivery_id, sid=sid)
    return found[0].call() if found else None


def open_inbound(sid: str, caller: str, called: str) -> Call | None:
    """Enqueue an inbound call with its token hold, in one transaction. A repeated SID returns the same call.

    Returns None when the called number belongs to no subscriber, or its subscriber has no active script or too few
    tokens.
    """
    tokens = pricing.call_hold()
    with transaction() as cursor:
        owner = rows(cursor, "voice/called_subscriber", called=called)
        if not owner:
            return None
        parameters = {"sid": sid, "subscriber": owner[0]["subscriber_id"], "script": owner[0]["script_id"]}
        rows(cursor, "voice/enqueue_inbound_call", **parameters, tokens=tokens)
        rows(
            cursor,
            "voice/answer_inbound",
            sid=sid,
            caller=e164(caller) or caller,
            called=e164(called) or called,
            scale=settings.notifier_time_scale,
            longest=pricing.longest_seconds(),
        )
        answered = records(cursor, _CallRow, "voice/find_call", delivery=None, sid=sid)
    return answered[0].call() if answered else None


def human_answered(sid: str, delivery_id: int | None = None) -> None:
    """Record that a person answered the call, and mark the lead as contacted; a repeated report changes nothing."""
    with transaction() as cursor:
        rows(cursor, "voice/human_answered", sid=sid, delivery=delivery_id)


def wants_no_calls(said: str) -> bool:
    """Return whether the person asked for no more calls."""
    return _OPT_OUT.search(said) is not None


def suppress_calls(number: str) -> None:
    """Suppress all further calls to ``number``; a withheld number cannot be suppressed."""
    if known := e164(number):
        suppress("voice", known, "asked on a call")
