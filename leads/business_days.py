"""Business days: the days on which the county publishes its files."""

from __future__ import annotations

import csv
from datetime import date, timedelta
from functools import cache
from pathlib import Path


@cache
def holidays() -> frozenset[date]:
    """Return the county's holidays from ``holidays.csv``; the file needs new lines for each new year."""
    with (Path(__file__).parent / "holidays.csv").open(encoding="utf-8", newline="") as rows:
        return frozenset(date.fromisoformat(row["date"]) for row in csv.DictReader(rows))


def is_business_day(day: date) -> bool:
    """Return whether ``day`` is a weekday and not a holiday."""
    return day.weekday() < 5 and day not in holidays()


def add_business_days(day: date, count: int) -> date:
    """Return the day ``count`` business days after ``day``; a negative ``count`` goes back, and 0 returns ``day``."""
    step = timedelta(days=1 if count > 0 else -1)
    for _ in range(abs(count)):
        day += step
        while not is_business_day(day):
            day += step
    return day


def previous_business_day(day: date) -> date:
    """Return the last business day before ``day``."""
    return add_business_days(day, -1)


def business_days_between(first: date, last: date) -> int:
    """Return the number of business days from ``first`` to ``last``; it is negative if ``last`` is earlier."""
    if first > last:
        return -business_days_between(last, first)
    return sum(is_business_day(first + timedelta(days=n)) for n in range(1, (last - first).days + 1))
