"""The county's days: everything here is New York time, and a business day is one on which the county publishes."""

from __future__ import annotations

import csv
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")


def local_day(moment: datetime) -> date:
    """The New York date of an aware moment; raises ValueError for a naive one."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no time zone")
    return moment.astimezone(NEW_YORK).date()


@cache
def holidays() -> frozenset[date]:
    """The county's closures, from ``holidays.csv``: a new year is a matter of new lines there."""
    with (Path(__file__).parent / "holidays.csv").open(encoding="utf-8", newline="") as rows:
        return frozenset(date.fromisoformat(row["date"]) for row in csv.DictReader(rows))


def is_business_day(day: date) -> bool:
    return day.weekday() < 5 and day not in holidays()


def add_business_days(day: date, count: int) -> date:
    """The ``count``-th business day after ``day`` (before it, for a negative count); ``day`` itself for 0."""
    step = timedelta(days=1 if count > 0 else -1)
    for _ in range(abs(count)):
        day += step
        while not is_business_day(day):
            day += step
    return day


def previous_business_day(day: date) -> date:
    """The last business day before ``day``."""
    return add_business_days(day, -1)


def business_days_between(first: date, last: date) -> int:
    """How many business days ``first`` lies before ``last``: 0 for the same day, negative when it lies after it."""
    if first > last:
        return -business_days_between(last, first)
    return sum(is_business_day(first + timedelta(days=n)) for n in range(1, (last - first).days + 1))
