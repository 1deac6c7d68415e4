"""A subscriber's preferences, from ``users.email_preferences``.

The app writes this column, so it may contain any JSON.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class Preferences:
    """A subscriber's preferences. If a stored value is missing or has the wrong type, the default applies."""

    lead_alerts: bool = True
    daily_digest: bool = True
    weekly_report: bool = True
    skip_empty_digests: bool = True
    lead_score_threshold: int = 0
    low_balance_threshold: int = 500
    max_daily_emails: int | None = None
    """The maximum number of alerts, digests and reports in one New York day. None means no limit."""

    @classmethod
    def of(cls, stored: Any) -> Preferences:
        """Return the preferences in a stored JSON value of any shape."""
        known = stored if isinstance(stored, dict) else {}
        valid = {
            field.name: known[field.name]
            for field in fields(cls)
            if _is_valid(known.get(field.name), is_flag=isinstance(field.default, bool))
        }
        return cls(**valid)


def _is_valid(value: Any, *, is_flag: bool) -> bool:
    if is_flag:
        return isinstance(value, bool)
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
