"""What Twilio tells of texts that it was given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import requests
from twilio.base.exceptions import TwilioException, TwilioRestException

from notifier.core.errors import Refused
from notifier.providers import twilio
from notifier.providers.http import lost

T = TypeVar("T")

#: The newest texts to one number that are looked through.
LIMIT = 50


@dataclass(frozen=True)
class Text:
    """A text as Twilio knows it."""

    sid: str
    status: str
    body: str
    created_at: datetime | None
    error_code: str | None


def text(sid: str) -> Text:
    """One text. Raises the errors of ``notifier.core.errors``."""
    return _asked(lambda: _text(twilio._client().messages(sid).fetch()))


def texts_to(recipient: str) -> list[Text]:
    """The newest texts to a number; one that is missing may come later. Raises a ProviderError."""
    return _asked(lambda: [_text(found) for found in twilio._client().messages.list(to=recipient, limit=LIMIT)])


def _asked(ask: Callable[[], T]) -> T:
    try:
        return ask()
    except TwilioRestException as error:
        raise twilio._error(error) from None
    except TwilioException:  # of a list, the package tells no more
        raise Refused("Twilio does not list its texts", code="list") from None
    except requests.RequestException as error:
        raise lost(error) from None


def _text(found: Any) -> Text:
    code = str(found.error_code) if found.error_code else None
    return Text(found.sid, str(found.status), found.body or "", found.date_created, code)
