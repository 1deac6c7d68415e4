"""Sends e-mails through SendGrid: one request sends many personalized e-mails with one template.

SendGrid's package builds the request. The package has no timeout and opens a connection for each call, so this module
sends the request through its own session. Status 202 means accepted. Status 200 means accepted in sandbox mode.
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

from notifier.core.errors import KindUnavailable, OutcomeUnknown, PermanentFailure
from notifier.core.queues import EMAIL
from notifier.core.settings import settings
from notifier.providers.http import CONNECT_TIMEOUT, exchange, pooled_session, refusal

#: The fields of a request that all e-mails of a kind share.
KIND_FIELDS = {"template_id", "from"}
#: The field names in SendGrid's answer that match this pattern contain the position of a rejected e-mail.
_POSITION = re.compile(r"personalizations\.([0-9]{1,4})(?![0-9])")
#: SendGrid's ids have about 22 characters. A longer id would not fit into an index, so the outcome of the request could
#: not be stored.
MESSAGE_ID_LENGTH = 200
#: The form of a Unix time.
_MOMENT = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True)
class Email:
    """An e-mail in a batch. Every event about the e-mail contains the ``delivery_id``."""

    delivery_id: int
    recipient: str
    fields: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


def request(kind: str, purpose: str, emails: Sequence[Email]) -> Any:
    """Return a request with 1 to 1,000 e-mails of one kind. Raises MissingSetting if no sender or template is set."""
    mail = Mail(from_email=From(settings.sender(purpose)))
    mail.template_id = settings.template(kind)
    for position, email in enumerate(emails):
        person = Personalization()
        person.add_to(To(email.recipient))
        person.dynamic_template_data = dict(email.fields)
        person.add_custom_arg(CustomArg("delivery_id", str(email.delivery_id)))
        for name, value in email.headers.items():
            person.add_header(Header(name, value))
        # Pass the position. By default, SendGrid's package inserts each e-mail at the front, and the positions in
        # SendGrid's errors would then refer to the wrong e-mails.
        mail.add_personalization(person, position)
    return mail.get()


def send(request: Any) -> str:
    """Send a request. Returns SendGrid's message id, which all e-mails in the request share.

    Raises a ProviderError, or MissingSetting if no key is set.
    """
    url = settings.sendgrid_api_url + "/v3/mail/send"
    headers = {"Authorization": f"Bearer {settings.sendgrid_api_key.get_secret_value()}"}
    timeout = (CONNECT_TIMEOUT, settings.provider_timeout_seconds)
    answer = exchange(session(), "POST", url, json=request, headers=headers, timeout=timeout)
    if answer.status_code in (200, 202):
        return answer.headers.get("X-Message-Id", "")[:MESSAGE_ID_LENGTH]
    raise _error(answer, str(request.get("template_id")))


def _error(answer: requests.Response, template: str) -> Exception:
    errors = _listed_errors(answer)
    code = f"http_{answer.status_code}"
    # SendGrid's error messages may quote an address, so keep only the names of the fields.
    fields = [str(error.get("field")) for error in errors if error.get("field")]
    message = f"SendGrid answered {answer.status_code}" + (f" about {', '.join(fields[:5])}" if fields else "")
    retry_after = answer.headers.get("Retry-After") or _seconds_until(answer.headers.get("X-RateLimit-Reset"))
    if answer.status_code in (400, 403, 404) and any(map(_concerns_kind, errors)):
        return KindUnavailable(f"{message} in a request with the template {template}", code=code)
    known = refusal(answer.status_code, message, code, retry_after)
    if known is not None:
        return known
    if answer.status_code >= 400:
        positions = {int(m[1]): f for f in fields if (m := _POSITION.match(f))}
        return PermanentFailure(message, code=code, positions=positions)
    return OutcomeUnknown(message, code=code)


def _concerns_kind(error: Mapping[str, Any]) -> bool:
    """Return whether SendGrid rejects the template or the sender, which all e-mails of a kind share."""
    field = str(error.get("field") or "")
    return field.split(".")[0] in KIND_FIELDS if field else "template" in str(error.get("message")).lower()


def _listed_errors(answer: requests.Response) -> list[dict[str, Any]]:
    try:
        return [error for error in answer.json()["errors"] if isinstance(error, dict)]
    except (ValueError, KeyError, TypeError):
        return []


def _seconds_until(moment: str | None) -> str | None:
    """Return the number of seconds until ``moment`` (Unix time), or None if ``moment`` is malformed."""
    return str(max(int(moment) - time.time(), 0)) if moment and _MOMENT.fullmatch(moment) else None


@cache
def session() -> requests.Session:
    """Return the session for SendGrid, which all threads of the process share."""
    return pooled_session(EMAIL.concurrency)
