"""The links in messages, and the signatures that prevent forged links."""

from __future__ import annotations

import hashlib
import hmac

from notifier.core.settings import settings


def app(path: str) -> str:
    """Return the URL of a page in the app."""
    return f"{settings.frontend_url}/{path}"


def mark(purpose: str, text: str) -> str:
    """Return an HMAC of ``text`` for one ``purpose``. Raises MissingSetting if no key is set."""
    key = settings.notifier_secret_key.get_secret_value().encode()
    return hmac.new(key, f"{purpose}:{text}".encode(), hashlib.sha256).hexdigest()[:32]


def unsubscribe_url(subscriber_id: int) -> str:
    """Return a subscriber's signed unsubscribe link."""
    address = settings.api_url if settings.is_set("api_url") else "http://localhost:8000"
    return f"{address}/unsubscribe?token={unsubscribe_token(subscriber_id)}"


def unsubscribe_token(subscriber_id: int) -> str:
    """Return the token for an unsubscribe link: the subscriber's id and an HMAC of the id."""
    return signed_id("unsubscribe", subscriber_id)


def signed_id(purpose: str, number: int) -> str:
    """Return an id with an HMAC for one ``purpose``, so that nobody can guess the result."""
    return f"{number}.{mark(purpose, str(number))}"


def id_of(purpose: str, text: str) -> int | None:
    """Return the id from a string that ``signed_id`` made for the same ``purpose``, or None for any other string."""
    number, _, _ = text.partition(".")
    # Check the string first, because int() also accepts non-ASCII digits and numbers that are too long for an id.
    if not (number.isascii() and number.isdigit() and len(number) < 19):
        return None
    return int(number) if hmac.compare_digest(text.encode(), signed_id(purpose, int(number)).encode()) else None


def unsubscribe_headers(subscriber_id: int) -> dict[str, str]:
    """Return the headers that let mail programs offer one-click unsubscribing (RFC 8058)."""
    return {
        "List-Unsubscribe": f"<{unsubscribe_url(subscriber_id)}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
