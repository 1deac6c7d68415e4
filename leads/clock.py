"""The clock and the calendar day of the county: America/New_York."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")


def now() -> datetime:
    """Return the current time, aware and in UTC."""
    return datetime.now(UTC)


def local_day(moment: datetime) -> date:
    """Return the New York date of an aware datetime; raise ValueError for a naive datetime."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no time zone: pass an aware datetime")
    return moment.astimezone(NEW_YORK).date()
