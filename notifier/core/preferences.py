"""What a subscriber wants, as ``users.email_preferences`` holds it; the app owns it, so it may hold anything."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class Preferences:
    """Each with its default, which also stands for a value of a wrong type."""

    lead_alerts: bool = True
    daily_digest: bool = True
    weekly_report: bool = True
    skip_empty_digests: bool = True
    lead_score_threshold: int = 0
    low_balance_threshold: int = 500
    max_daily_emails: int | None = None
    """Alerts, digests and reports of one New York day; None is no limit."""

    @classmethod
    def of(cls, stored: Any) -> Preferences:
        known = stored if isinstance(stored, dict) else {}
        wanted = {
            field.name: known[field.name]
            for field in fields(cls)
            if _fits(known.get(field.name), is_flag=isinstance(field.default, bool))
        }
        return cls(**wanted)


def _fits(value: Any, *, is_flag: bool) -> bool:
    if is_flag:
        return isinstance(value, bool)
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
