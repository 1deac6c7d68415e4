"""Send the callbacks for accepted requests.

The callbacks report that e-mails and texts were delivered and that people answered the calls. The sandbox sends no
callbacks until ``begin`` sets the web service's address. For requests that were accepted before the call to ``begin``,
the sandbox never sends callbacks, as if the callbacks had been lost.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import requests

from sandbox.callbacks import SendGrid, Twilio

AT_ONCE = 8
RINGS, TALKS = 1.0, 3.0
"""Seconds for which a call rings and then lasts."""

Entry = Mapping[str, Any]
"""A request, as the inbox records it."""


class Aftermath:
    """Sends the providers' callbacks from background threads.

    Each time a text or call changes, ``became(sid, fields)`` receives the fields that Twilio's API must return from
    then on.
    """

    def __init__(self, became: Callable[[str, dict[str, Any]], None]) -> None:
        self._became = became
        self._mail = SendGrid("")
        self._phone: Twilio | None = None
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="aftermath")

    @property
    def public_key(self) -> str:
        """Return the public key to set as SENDGRID_WEBHOOK_PUBLIC_KEY."""
        return self._mail.public_key

    def begin(self, url: str, public_url: str, token: str) -> None:
        """From now on, send callbacks to ``url``.

        Sign Twilio's callbacks for ``public_url`` with the auth token ``token``.
        """
        self._mail.url = url
        self._phone = Twilio(url, public_url, token)

    def follow(self, entry: Entry) -> None:
        """Start sending the callbacks for an accepted request; return at once."""
        report = {"sendgrid": self._mailed, "twilio": self._phoned}.get(entry["provider"])
        if report is not None and self._phone is not None:
            self._threads.submit(_ignoring_failures, report, entry)

    def end(self) -> None:
        """Stop sending callbacks."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _mailed(self, entry: Entry) -> None:
        message = entry["answer_headers"]["X-Message-Id"]
        people = enumerate(entry["body"]["personalizations"])
        events = [
            {
                **person.get("custom_args", {}),
                "email": person["to"][0]["email"],
                "event": event,
                "timestamp": int(time.time()),
                "sg_event_id": f"{message}-{place}-{event}",
                "sg_message_id": f"{message}.sandbox.{place}",
            }
            for place, person in people
            for event in ("processed", "delivered")
        ]
        self._mail.post(events)

    def _phoned(self, entry: Entry) -> None:
        order, sid = entry["body"], entry["made"]["sid"]
        if not order.get("StatusCallback"):
            return
        if sid.startswith("SM"):
            self._texted(order, sid)
        else:
            self._called(order, sid)

    def _texted(self, order: Mapping[str, str], sid: str) -> None:
        assert self._phone is not None
        for status in ("sent", "delivered"):
            self._became(sid, {"status": status})
            fields = {"MessageSid": sid, "MessageStatus": status, "To": order["To"], "From": order.get("From", "")}
            self._phone.post(order["StatusCallback"], fields)

    def _called(self, order: Mapping[str, str], sid: str) -> None:
        """Simulate a person who answers the call, listens, says nothing and hangs up."""
        assert self._phone is not None
        self._phone.play(order, sid, "initiated", "ringing")
        time.sleep(RINGS)
        self._phone.play(order, sid, "in-progress", "answer", AnsweredBy="human")
        time.sleep(TALKS)
        ended = {"CallDuration": f"{TALKS:.0f}", "AnsweredBy": "human"}
        self._became(sid, {"status": "completed", "duration": f"{TALKS:.0f}", "answered_by": "human"})
        self._phone.play(order, sid, "completed", **ended)


def _ignoring_failures(report: Callable[[Entry], None], entry: Entry) -> None:
    with suppress(requests.RequestException):  # Real providers also ignore failed callbacks.
        report(entry)
