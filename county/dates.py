"""Which business date a run is for, and which file on the server belongs to it."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta

from county.feeds import Feed
from leads.business_days import NEW_YORK, add_business_days, is_business_day, local_day, previous_business_day

#: The county's evening: what is written later belongs to the next business date; who waits, waits until then.
CLOSING_TIME = time(18)


def business_date(logical_date: datetime | None, *, asked: str | None, manual: bool, now: datetime) -> date:
    """The New York date that a run is for.

    ``asked`` is the parameter ``business_date`` (ISO) and wins. A run has the date of its logical date; a manual run
    that names neither (Airflow then gives no logical date, or the moment of the click) is for the last business day.
    Raises ValueError for a parameter that is not a date.
    """
    if asked:
        return date.fromisoformat(asked)
    if logical_date is None or (manual and abs(logical_date - now) < timedelta(hours=1)):
        today = local_day(now)
        return today if is_business_day(today) else previous_business_day(today)
    return local_day(logical_date)


def file_date(feed: Feed, day: date, lag_days: int = 0) -> str:
    """The date that a dated file of ``feed`` for business date ``day`` carries: YYYYMMDD, or YYYYMM for a month."""
    if feed.name == "monthly":
        return f"{day.replace(day=1) - timedelta(days=1):%Y%m}"
    if feed.name == "daily":
        return f"{add_business_days(day, -lag_days):%Y%m%d}"
    return f"{day:%Y%m%d}"


def writing_window(feed: Feed, day: date) -> tuple[datetime, datetime]:
    """When an undated file must have been written to belong to ``day``: (after, until), New York."""
    begin = previous_business_day(day) if feed.name == "daily" else day - timedelta(days=7)
    return (
        datetime.combine(begin, CLOSING_TIME, NEW_YORK),
        datetime.combine(day, CLOSING_TIME, NEW_YORK),
    )


def can_still_come(day: date, now: datetime) -> bool:
    """Whether a missing file of ``day`` is worth waiting for: today's is, until closing time."""
    local = now.astimezone(NEW_YORK)
    return local.date() == day and local.time() < CLOSING_TIME


_DATED_NAME = re.compile(r"(?P<stem>.*?)_?(?P<date>\d{8}|\d{6})?\.(?:exp|zip)", re.IGNORECASE)


def parse_name(name: str) -> tuple[str, str | None] | None:
    """``Cases_20261120.exp`` → ``("cases", "20261120")``; None for what is no file of the county.

    A date may be YYYYMMDD, MMDDYYYY (the Clerk's own files) or, for monthly files, YYYYMM; it is returned year first.
    """
    match = _DATED_NAME.fullmatch(name)
    if match is None:
        return None
    digits = match["date"]
    if digits and len(digits) == 8 and not re.match(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])", digits):
        digits = digits[4:] + digits[:4]
    return match["stem"].lower(), digits
