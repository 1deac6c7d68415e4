"""What Twilio asks while a call lasts: whose it is, what is said, and what an answer means for the lead."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from psycopg.rows import DictRow

from leads import settings
from notifier.core import pricing
from notifier.core.db import rows, transaction
from notifier.core.phone_numbers import e164
from notifier.voice.responders import Script

#: Whoever says this wants no more calls.
_SILENCE = re.compile(
    r"\b(do not|don't|dont|stop|quit|never) call|\b(remove|take) me\b|\bunsubscribe\b|\bno call list\b|^stop\W*$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Call:
    """A call that is going on."""

    delivery_id: int
    script: Script
    is_inbound: bool
    started_at: datetime

    @property
    def is_over(self) -> bool:
        """Whether it has lasted as long as its tokens pay for."""
        return datetime.now(UTC) > self.started_at + timedelta(minutes=pricing.call_minutes())


def find(delivery_id: int | None, sid: str) -> Call | None:
    """The call with this delivery, or with this sid; None when it is not ours or has no script to speak."""
    with transaction() as cursor:
        found = rows(cursor, "voice/find_call", delivery=delivery_id, sid=sid)
    return _call(found[0]) if found else None


def open_inbound(sid: str, caller: str, called: str) -> Call | None:
    """Opens the delivery of a call that comes in, with its hold, in one transaction; the same again for the same call.

    None when the called number is nobody's, its subscriber has no active script, or too few tokens.
    """
    with transaction() as cursor:
        found = rows(cursor, "voice/called_subscriber", called=called)
        if not found:
            return None
        parameters = {"sid": sid, "subscriber": found[0]["subscriber_id"], "script": found[0]["script_id"]}
        rows(cursor, "voice/enqueue_inbound_call", **parameters, tokens=pricing.call_hold())
        rows(
            cursor,
            "voice/answer_inbound",
            sid=sid,
            caller=e164(caller) or caller,
            called=e164(called) or called,
            scale=settings.time_scale(),
            longest=pricing.longest_seconds(),
        )
        answered = rows(cursor, "voice/find_call", delivery=None, sid=sid)
    return _call(answered[0]) if answered else None


def human_answered(sid: str, delivery_id: int | None = None) -> None:
    """A person has picked up: the lead has been engaged once more, and is contacted. Once a call."""
    with transaction() as cursor:
        rows(cursor, "voice/human_answered", sid=sid, delivery=delivery_id)


def wants_silence(said: str) -> bool:
    """Whether what was said asks for no more calls."""
    return _SILENCE.search(said) is not None


def silence(number: str) -> None:
    """Never calls ``number`` again."""
    with transaction() as cursor:
        cursor.execute(
            "INSERT INTO suppressions (channel, address, reason) VALUES ('voice', %s, 'asked on a call')"
            " ON CONFLICT (channel, address) DO NOTHING",
            (e164(number) or number,),
        )


def _call(row: DictRow) -> Call:
    is_inbound = row["kind"] == "inbound_call"
    greeting = row["greeting_message"] if is_inbound else row["outbound_greeting"] or row["greeting_message"]
    script = Script(row["name"] or "", greeting or "", row["voicemail_message"] or "")
    return Call(row["id"], script, is_inbound, row["started_at"])
