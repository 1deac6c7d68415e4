"""Links of the messages, and the marks that nobody else can make."""

from __future__ import annotations

import hashlib
import hmac

from leads import settings


def app(path: str) -> str:
    """A page of the app."""
    return f"{settings.text('FRONTEND_URL', 'http://localhost:3000')}/{path}"


def mark(purpose: str, text: str) -> str:
    """An HMAC over ``text``, for one ``purpose``."""
    key = settings.text("NOTIFIER_SECRET_KEY").encode()
    return hmac.new(key, f"{purpose}:{text}".encode(), hashlib.sha256).hexdigest()[:32]


def unsubscribe_url(subscriber_id: int) -> str:
    """A link that nobody can make for somebody else."""
    return f"{settings.text('API_URL', 'http://localhost:8000')}/unsubscribe?token={unsubscribe_token(subscriber_id)}"


def unsubscribe_token(subscriber_id: int) -> str:
    """What an unsubscribe link carries: the subscriber and an HMAC over them."""
    return f"{subscriber_id}.{mark('unsubscribe', str(subscriber_id))}"


def unsubscribe_headers(subscriber_id: int) -> dict[str, str]:
    """One-click unsubscribing as mail programs offer it (RFC 8058)."""
    return {
        "List-Unsubscribe": f"<{unsubscribe_url(subscriber_id)}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
