"""When the feeds are due, and how old their data may be: what freshness and deadlines go by."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from leads.business_days import NEW_YORK


@dataclass(frozen=True)
class Schedule:
    """A feed's slots: ``at`` on the days that ``weekdays`` (Monday is 0) or ``month_day`` name, New York.

    A run that has not ended ``late_after`` its slot is late. ``stale_days`` is how many days after the newest date
    with data its data is stale; the daily feed's are business days.
    """

    dag_id: str
    ingestion_type: str
    at: time
    late_after: timedelta
    stale_days: int
    weekdays: frozenset[int] = frozenset(range(7))
    month_day: int | None = None

    def slot(self, day: date) -> datetime | None:
        """The moment of the run of ``day``; None when there is none."""
        if day.weekday() not in self.weekdays or self.month_day not in (None, day.day):
            return None
        return datetime.combine(day, self.at, NEW_YORK)

    def days_due(self, first: date, until: datetime) -> list[date]:
        """The days from ``first`` on whose slot is not after ``until``, oldest first."""
        count = (until.astimezone(NEW_YORK).date() - first).days + 1
        days = (first + timedelta(days=n) for n in range(count))
        return [day for day in days if (slot := self.slot(day)) is not None and slot <= until]


FEEDS = {
    schedule.dag_id: schedule
    for schedule in (
        Schedule("daily_ftp_ingestion", "daily_ftp", time(6), timedelta(minutes=90), 2, frozenset(range(5))),
        Schedule("weekly_ftp_ingestion", "weekly_ftp", time(7), timedelta(hours=2), 9, frozenset({0})),
        Schedule("monthly_ftp_ingestion", "monthly_ftp", time(8), timedelta(hours=2), 35, month_day=1),
    )
}
