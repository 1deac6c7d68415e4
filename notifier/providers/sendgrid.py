"""SendGrid: many personal e-mails of one template in one request.

The package builds the request, but opens a connection for each call and waits for ever; so it is sent over a pooled,
timed session. 202 means accepted, 200 that the account only plays (sandbox mode).
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import requests
from sendgrid.helpers.mail import CustomArg, From, Header, Mail, Personalization, To

from leads import settings
from notifier.core.errors import OutcomeUnknown, PermanentFailure
from notifier.core.queues import EMAIL
from notifier.providers.http import CONNECT_TIMEOUT, lost, pooled, refusal

#: How an answer names the message of a batch that it does not take.
_POSITION = re.compile(r"personalizations\.(\d+)")


@dataclass(frozen=True)
class Email:
    """One e-mail of a batch; ``delivery_id`` comes back with every event about it."""

    delivery_id: int
    recipient: str
    data: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


def request(kind: str, purpose: str, emails: Sequence[Email]) -> Any:
    """A request with 1 to 1,000 e-mails of one kind; raises MissingSetting when sender or template is not set."""
    mail = Mail(from_email=From(settings.sender(purpose)))
    mail.template_id = settings.template(kind)
    for position, email in enumerate(emails):
        person = Personalization()
        person.add_to(To(email.recipient))
        person.dynamic_template_data = dict(email.data)
        person.add_custom_arg(CustomArg("delivery_id", str(email.delivery_id)))
        for name, value in email.headers.items():
            person.add_header(Header(name, value))
        # Without its place the package puts it first, and an error would name another.
        mail.add_personalization(person, position)
    return mail.get()


def send(request: Any) -> str:
    """Sends it; returns SendGrid's message id, which its e-mails share.

    Raises the errors of ``notifier.core.errors``; MissingSetting when the key is not set.
    """
    url = settings.text("SENDGRID_API_URL", "https://api.sendgrid.com") + "/v3/mail/send"
    headers = {"Authorization": f"Bearer {settings.text('SENDGRID_API_KEY')}"}
    try:
        timeout = (CONNECT_TIMEOUT, settings.provider_timeout())
        answer = _session().post(url, json=request, headers=headers, timeout=timeout)
    except requests.RequestException as error:
        raise lost(error) from None
    if answer.status_code in (200, 202):
        return answer.headers.get("X-Message-Id", "")
    raise _error(answer)


def _error(answer: requests.Response) -> Exception:
    try:
        errors = answer.json()["errors"]
    except (ValueError, KeyError, TypeError):
        errors = []
    code = f"http_{answer.status_code}"
    # The provider's sentences may quote an address; the field alone says enough.
    fields = [str(error.get("field")) for error in errors if error.get("field")]
    message = f"SendGrid answered {answer.status_code}" + (f" about {', '.join(fields[:5])}" if fields else "")
    retry_after = answer.headers.get("Retry-After") or _until(answer.headers.get("X-RateLimit-Reset"))
    known = refusal(answer.status_code, message, code, retry_after)
    if known is not None:
        return known
    if answer.status_code >= 400:
        positions = {int(m[1]): f for f in fields if (m := _POSITION.match(f))}
        return PermanentFailure(message, code=code, positions=positions)
    return OutcomeUnknown(message, code=code)


def _until(moment: str | None) -> str | None:
    """Seconds until SendGrid takes more, which it tells as a moment (s since 1970)."""
    return str(max(int(moment) - time.time(), 0)) if moment and moment.isdigit() else None


@cache
def _session() -> requests.Session:
    return pooled(requests.Session(), EMAIL.concurrency)
