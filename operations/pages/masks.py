"""Masks for personal data in lists, such as ``j…@example.com`` and ``+1 305 ••• ••67``."""

from __future__ import annotations

import re

_AMERICAN = re.compile(r"\+1(\d{3})\d{5}(\d{2})")


def mask_email(address: str | None) -> str:
    """Return an e-mail address with only its first letter and its domain; an empty string for None."""
    name, at, domain = (address or "").rpartition("@")
    return f"{name[:1]}…@{domain}" if at else mask_text(domain)


def mask_phone(number: str | None) -> str:
    """Return a phone number with only its area code and its last two digits; an empty string for None."""
    match = _AMERICAN.fullmatch(number or "")
    return f"+1 {match[1]} ••• ••{match[2]}" if match else mask_text(number)


def mask_text(text: str | None) -> str:
    """Return a short text with only its last two characters; an empty string for None."""
    return f"••• {text[-2:]}" if text else ""


def mask_recipient(recipient: str | None) -> str:
    """Return a masked e-mail address or phone number."""
    return mask_email(recipient) if recipient and "@" in recipient else mask_phone(recipient)
