"""Takes secrets out of a text that leaves the system: error messages quote addresses, and addresses carry passwords."""

from __future__ import annotations

import os
import re

_SECRET_SETTING = re.compile(r"KEY|TOKEN|SECRET|PASSWORD")
_IN_ADDRESS = re.compile(r"(://[^\s:/@]*:)([^\s@]+)(@)")
_IN_ASSIGNMENT = re.compile(
    r"(?i)((?:password|passwd|pwd|secret|token|api[_-]?key|auth[_-]?key|authorization)[\"']?\s*[=:]\s*(?:bearer\s+)?[\"']?)"
    r"([^\s\"',;&]+)"
)
#: A shorter secret would take ordinary words with it.
_SHORTEST = 5


def redact(text: str) -> str:
    """``text`` with passwords in addresses, values named like a secret, and this process's secret settings masked."""
    text = _IN_ADDRESS.sub(r"\1***\3", text)
    text = _IN_ASSIGNMENT.sub(r"\1***", text)
    for secret in _secrets():
        text = text.replace(secret, "***")
    return text


def _secrets() -> list[str]:
    found = set()
    for name, value in os.environ.items():
        if _SECRET_SETTING.search(name):
            found.add(value)
        if "://" in value:
            found.update(match[2] for match in _IN_ADDRESS.finditer(value))
        if name.startswith("AIRFLOW_CONN_"):
            found.update(match[2] for match in _IN_ASSIGNMENT.finditer(value))
    return sorted((s for s in found if len(s) >= _SHORTEST), key=len, reverse=True)
