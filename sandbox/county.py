"""The files on the county's FTP server. Each file is generated when a client first asks for it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from threading import Lock

from leads.business_days import add_business_days, previous_business_day
from leads.clock import NEW_YORK
from sandbox import court_files, daily_files
from sandbox.documents import documents_of

POSTED_AT = time(21, 30)
"""The county posts a file at this New York time on the business day before the file's business date."""

KEPT_BUSINESS_DAYS = 400
KEPT_MONTHS = 18
DAILY = {
    "Cases": daily_files.cases_lines,
    "Parties": daily_files.parties_lines,
    "Dockets": daily_files.dockets_lines,
    "Docktext": daily_files.docktext_lines,
}
COURT_FILES = {"weekly": ("Evictions", "Indebtedness"), "monthly": ("Probate", "Verdicts")}
COURT_CASES_PER_DOCUMENT = {"weekly": 0.25, "monthly": 0.1}
"""The cases in each court file, per document in a daily file: with 10,000 documents a day, 2,500 and 1,000."""

FEEDS = ("daily", "weekly", "monthly")
_NAME = re.compile(r"(?P<stem>[A-Za-z_]+?)(?:_(?P<date>\d{6,8}))?\.(?:exp|zip)")


def posted_at(day: date) -> datetime:
    """Return the time at which the county posts the files for a business date."""
    return datetime.combine(previous_business_day(day), POSTED_AT, NEW_YORK)


def newest_business_date(now: datetime) -> date:
    """Return the latest business date whose files are on the server at ``now``."""
    day = add_business_days(now.astimezone(NEW_YORK).date(), 1)
    while posted_at(day) > now:
        day = previous_business_day(day)
    return day


@dataclass(frozen=True)
class County:
    """The county's published files, generated below ``folder``, with ``documents`` documents for each business date."""

    folder: Path
    seed: int
    documents: int

    def names(self, feed: str, now: datetime) -> list[str]:
        """Return the names of the feed's files that are on the server at ``now``.

        As on the real server, the latest daily files have no date in their names. The Clerk's own file always has a
        date in its name.
        """
        newest = newest_business_date(now)
        if feed == "monthly":
            return [f"{stem}_{month}.exp" for stem in COURT_FILES[feed] for month in _months(newest)]
        days = list(_business_days(newest))
        if feed == "weekly":
            return [f"{stem}_{day:%Y%m%d}.exp" for stem in COURT_FILES[feed] for day in days]
        names = [f"{stem}.exp" for stem in DAILY]
        names += [f"{stem}_{day:%Y%m%d}.exp" for stem in DAILY for day in days[1:]]
        return names + [f"dly_records_{day:%m%d%Y}.zip" for day in days]

    def file(self, feed: str, name: str, now: datetime) -> Path | None:
        """Return the path of one of the feed's files, or None if the server has no such file.

        Generate the file if needed.
        """
        match = _NAME.fullmatch(name)
        if feed not in FEEDS or match is None or name not in self.names(feed, now):
            return None
        stem, day = match["stem"], _day(feed, match["date"]) if match["date"] else newest_business_date(now)
        path = self.folder / feed / f"{stem}_{day:%Y%m%d}{Path(name).suffix}"
        with _making:
            if not path.exists():
                self._make(path, stem, day)
        return path

    def _make(self, path: Path, stem: str, day: date) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if stem in court_files.MAKERS:
            count = max(int(self.documents * COURT_CASES_PER_DOCUMENT[path.parent.name]), 5)
            daily_files.write_file(path, court_files.MAKERS[stem](self.seed, day, count), day)
        elif stem in DAILY:
            daily_files.write_file(path, DAILY[stem](documents_of(self.seed, day, self.documents)), day)
        else:
            lines = daily_files.official_records_lines(documents_of(self.seed, day, self.documents))
            daily_files.write_zipped(path, lines, day)
        stamp = posted_at(day).timestamp()
        os.utime(path, (stamp, stamp))


_making = Lock()


def _day(feed: str, digits: str) -> date:
    """Return the business date of the file whose name contains ``digits``."""
    if feed == "monthly":
        return (date(int(digits[:4]), int(digits[4:]), 1) + timedelta(days=31)).replace(day=1)
    year_first = digits if digits.startswith("20") else digits[4:] + digits[:4]
    return date.fromisoformat(year_first)


@cache
def _business_days(newest: date) -> tuple[date, ...]:
    return tuple(add_business_days(newest, -n) for n in range(KEPT_BUSINESS_DAYS))


def _months(newest: date) -> Iterator[str]:
    """Yield the months before ``newest``, latest first, as YYYYMM."""
    month = newest.replace(day=1)
    for _ in range(KEPT_MONTHS):
        month = (month - timedelta(days=1)).replace(day=1)
        yield f"{month:%Y%m}"
