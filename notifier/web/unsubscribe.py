"""``/unsubscribe``: GET shows a page with a button, and POST unsubscribes the subscriber.

The button sends the POST, and so do mail programs (RFC 8058). GET changes nothing, because mail scanners and previews
follow every link in an e-mail.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from string import Template

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from notifier.core.db import records, transaction
from notifier.core.settings import settings
from notifier.messages.links import id_of

router = APIRouter()


@dataclass(frozen=True)
class Subscriber:
    """The subscriber that an unsubscribe link belongs to."""

    email: str
    is_unsubscribed: bool


@router.get("/unsubscribe")
def show(token: str = "") -> HTMLResponse:
    """Show a page that asks the reader to confirm."""
    subscriber = _run("web/show_subscriber", token)
    if subscriber is None:
        return _bad_link()
    if subscriber.is_unsubscribed:
        return _done(subscriber.email)
    return _page(
        "Stop these e-mails?",
        f"<p>We will send no more lead alerts, digests, reports or reminders to"
        f" <strong>{_masked(subscriber.email)}</strong>.</p>"
        # A form without an action posts to the page's own URL, which includes the token.
        '<form method="post"><button type="submit">Unsubscribe</button></form>'
        f"<p>Getting too many? {_settings_link('Choose which e-mails you get')}.</p>",
    )


@router.post("/unsubscribe")
def unsubscribe(token: str = "") -> HTMLResponse:
    """Suppress the subscriber's address. A repeated request changes nothing."""
    subscriber = _run("web/unsubscribe", token)
    return _bad_link() if subscriber is None else _done(subscriber.email)


def _run(statement: str, token: str) -> Subscriber | None:
    subscriber_id = id_of("unsubscribe", token)
    if subscriber_id is None:
        return None
    with transaction() as cursor:
        found = records(cursor, Subscriber, statement, subscriber=subscriber_id)
    return found[0] if found else None


def _done(email: str) -> HTMLResponse:
    return _page(
        "You are unsubscribed",
        f"<p><strong>{_masked(email)}</strong> will get no more lead alerts, digests, reports or reminders from us."
        " An e-mail that we have already sent may still arrive.</p>"
        f"<p>Unsubscribed by mistake? {_settings_link('Change it in your settings')}.</p>",
    )


def _bad_link() -> HTMLResponse:
    return _page(
        "This link does not work",
        "<p>Part of it may be missing. Please use the link in our most recent e-mail, or"
        f" {_settings_link('choose which e-mails you get')} in your settings.</p>",
        status=404,
    )


def _settings_link(words: str) -> str:
    front = settings.frontend_url
    return f'<a href="{escape(front)}/settings">{words}</a>'


def _masked(email: str) -> str:
    """Return a masked e-mail address that only its owner recognizes."""
    name, _, domain = email.partition("@")
    return escape(f"{name[:1]}…@{domain}")


def _page(title: str, content: str, status: int = 200) -> HTMLResponse:
    template, style, style_hash = _template()
    text = template.substitute(title=title, style=style, content=content)
    headers = {
        "Content-Security-Policy": f"default-src 'none'; style-src '{style_hash}'; form-action 'self';"
        " frame-ancestors 'none'; base-uri 'none'",
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    return HTMLResponse(text, status, headers)


@cache
def _template() -> tuple[Template, str, str]:
    folder = Path(__file__).parent
    style = (folder / "page.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return Template((folder / "page.html").read_text("utf-8")), style, f"sha256-{digest}"
