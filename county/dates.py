"""Business dates: the date that a run is for, and the dates of the files on the server."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta

from county.feed import Feed, Period
from leads.business_days import add_business_days, is_business_day, previous_business_day
from leads.clock import NEW_YORK, local_day

#: A file written after ``CLOSING_TIME`` (New York) belongs to the next business date. A run for today waits for its
#: files until ``CLOSING_TIME``.
CLOSING_TIME = time(18)


def business_date(logical_date: datetime | None, *, asked: str | None, manual: bool, now: datetime) -> date:
    """Return the New York date that a run is for.

    ``asked`` is the run's parameter ``business_date`` (an ISO date). If given, it takes precedence over the logical
    date. For a manual run without the parameter, Airflow passes either no logical date or the time at which the run was
    triggered. In both cases the run is for today, or for the previous business day if today is not a business day.
    Raises ValueError for a parameter that is not a date.
    """
    if asked:
        return date.fromisoformat(asked)
    if logical_date is None or (manual and abs(logical_date - now) < timedelta(hours=1)):
        today = local_day(now)
        return today if is_business_day(today) else previous_business_day(today)
    return local_day(logical_date)


def file_date(feed: Feed, day: date, lag_days: int = 0) -> str:
    """Return the date that appears in the name of a dated file for the business date ``day``.

    A weekly file's name contains ``day`` as YYYYMMDD. A daily file's name contains the date ``lag_days`` business days
    before ``day``. A monthly file's name contains the previous month as YYYYMM.
    """
    match feed.period:
        case Period.MONTH:
            return f"{day.replace(day=1) - timedelta(days=1):%Y%m}"
        case Period.BUSINESS_DAY:
            return f"{add_business_days(day, -lag_days):%Y%m%d}"
        case Period.WEEK:
            return f"{day:%Y%m%d}"


def writing_window(feed: Feed, day: date) -> tuple[datetime, datetime]:
    """Return the times (after, until) between which an undated file for ``day`` must have been written."""
    begin = previous_business_day(day) if feed.period is Period.BUSINESS_DAY else day - timedelta(days=7)
    return (
        datetime.combine(begin, CLOSING_TIME, NEW_YORK),
        datetime.combine(day, CLOSING_TIME, NEW_YORK),
    )


def can_still_come(day: date, now: datetime) -> bool:
    """Return whether the county may still publish a missing file for ``day``.

    A missing file can still appear only on ``day`` itself, before ``CLOSING_TIME``.
    """
    local = now.astimezone(NEW_YORK)
    return local.date() == day and local.time() < CLOSING_TIME


_DATED_NAME = re.compile(r"(?P<stem>.*?)_?(?P<date>\d{8}|\d{6})?\.(?:exp|zip)", re.IGNORECASE)


def parse_name(name: str) -> tuple[str, str | None] | None:
    """Split ``Cases_20261120.exp`` into ``("cases", "20261120")``; return None for a name in any other form.

    The date may be YYYYMMDD, MMDDYYYY (the Clerk's own files) or, for monthly files, YYYYMM. The returned date always
    starts with the year.
    """
    match = _DATED_NAME.fullmatch(name)
    if match is None:
        return None
    digits = match["date"]
    if digits and len(digits) == 8 and not re.match(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])", digits):
        digits = digits[4:] + digits[:4]
    return match["stem"].lower(), digits
