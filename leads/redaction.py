"""Masks secrets and personal data in alerts, logs and dead letters.

Error messages may quote the URLs of servers, and these URLs may contain passwords.
"""

from __future__ import annotations

import os
import re
import traceback
from collections.abc import Sequence
from urllib.parse import unquote

_SECRET_SETTING = re.compile(r"KEY|TOKEN|SECRET|PASSWORD")
#: A password may contain ``@``, so the password ends at the last ``@`` in the URL.
_IN_ADDRESS = re.compile(r"(://[^\s:/@]*:)([^\s\"'<>]{1,300})(@)")
#: A quoted value ends at the next quote of the same kind, because a password may contain spaces and punctuation.
_IN_ASSIGNMENT = re.compile(
    r"(?i)((?:password|passwd|pwd|secret|token|api[_-]?key|auth[_-]?key|authorization)[\"']?\s*[=:]\s*)"
    r"((?:bearer|basic)\s+)?(?:([\"'])((?:\\.|(?!\3)[^\\\n])+)|([^\s\"',;&]+))"
)
#: The length is limited because strangers can put long strings into the logs. Without a limit, masking 8 KB of "a.a.a."
#: takes 0.2 s.
_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+")
_PHONE_NUMBER = re.compile(r"\+\d{8,15}\b")
#: Shorter secrets are not masked, because masking them would also mask ordinary words.
_SHORTEST = 5


def redact(text: str, secrets: Sequence[str] | None = None) -> str:
    """Return ``text`` with its secrets masked.

    The masked values are passwords in URLs, values whose names suggest a secret, and the values of secret settings.
    ``secrets`` are the values of secret settings. If ``secrets`` is None, the environment is searched for secrets on
    each call, so a caller that masks many strings should pass ``secrets``.
    """
    text = _IN_ADDRESS.sub(r"\1***\3", text)
    text = _IN_ASSIGNMENT.sub(r"\1\2\3***", text)
    for secret in secrets_of_this_process() if secrets is None else secrets:
        text = text.replace(secret, "***")
    return text


def mask_personal_data(text: str) -> str:
    """Return ``text`` with e-mail addresses and phone numbers (E.164) masked."""
    return _PHONE_NUMBER.sub("+***", _EMAIL.sub("***@***", text))


def where(error: BaseException) -> str:
    """Return an exception's type and its place in the code, but not its message, which may contain personal data."""
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    return f"{type(error).__name__} at " + " < ".join(f"{f.name}:{f.lineno}" for f in reversed(frames))


def secrets_of_this_process() -> list[str]:
    """Return the secret values in the environment, longest first."""
    found = set()
    for name, value in os.environ.items():
        if _SECRET_SETTING.search(name):
            found.add(value)
        if "://" in value:
            found.update(text for match in _IN_ADDRESS.finditer(value) for text in (match[2], unquote(match[2])))
        if name.startswith("AIRFLOW_CONN_"):
            found.update(match[4] or match[5] for match in _IN_ASSIGNMENT.finditer(value))
    return sorted((s for s in found if len(s) >= _SHORTEST), key=len, reverse=True)
