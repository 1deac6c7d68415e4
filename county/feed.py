"""The classes that describe a feed. ``county.feeds`` declares the county's feeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import Enum
from itertools import takewhile

from leads.clock import NEW_YORK


@dataclass(frozen=True)
class Target:
    """A staging table; each of its columns is filled from a column of the layout or from an SQL expression.

    In an SQL expression, ``{name}`` stands for the converted value of the layout's column ``name``.
    """

    table: str
    columns: Mapping[str, str]


@dataclass(frozen=True)
class FeedFile:
    """One file of a feed: its name on the server, and the staging tables that its lines go to.

    ``stem`` is the file's name in lower case, without the date and the extension; ``other_stems`` are other stems that
    the file may have. A file that is not ``required`` may be missing: the run continues with a warning.
    """

    name: str
    stem: str
    targets: tuple[Target, ...]
    required: bool = True
    other_stems: tuple[str, ...] = ()


class Period(Enum):
    """The period that a file covers. It determines the dates in file names and how the age of data is counted."""

    BUSINESS_DAY = "business day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True)
class Feed:
    """A set of files that the county publishes together for one business date.

    ``schedule`` is a cron expression in New York time, or None if only people start runs. ``steps`` names the ``.sql``
    files of each step (``match``, ``merge``, ``make_leads``) in the order in which they run; a feed with documents also
    has ``derive``, the second part of its merge. ``merges`` names the
    tables that the step ``merge`` changes. A failed task is retried after ``retry_minutes``. A scheduled run is late if
    it has not finished within ``late_after`` of its slot; None means that there is no deadline. Data older than
    ``stale_days`` is stale; for a daily feed, only business days count. If ``stale_days`` is None, data never becomes
    stale. If ``may_be_empty`` is true, the run accepts files without records and files that are identical to the
    previous files.
    """

    name: str
    dag_id: str
    ingestion_type: str
    description: str
    period: Period
    schedule: str | None
    files: tuple[FeedFile, ...]
    steps: Mapping[str, tuple[str, ...]]
    merges: tuple[str, ...]
    retry_minutes: int
    late_after: timedelta | None = None
    stale_days: int | None = None
    may_be_empty: bool = True

    @property
    def directory(self) -> str:
        """The feed's directory on the FTP server."""
        return f"/{self.name}"

    @property
    def queue_name(self) -> str:
        """The queue name in the dead letter of a failed run."""
        return f"{self.ingestion_type}_ingestion".replace("_", "-")

    @property
    def skips_holidays(self) -> bool:
        """True if the county publishes no files for this feed on holidays."""
        return self.period is Period.BUSINESS_DAY

    def file(self, name: str) -> FeedFile:
        """Return the file named ``name``; raises StopIteration for an unknown name."""
        return next(file for file in self.files if file.name == name)

    def slots(self, first: date, until: datetime) -> list[datetime]:
        """Return the scheduled times from ``first`` (a New York date) to ``until`` (aware), oldest first."""
        if self.schedule is None:
            return []
        from croniter import croniter  # imported here because declaring a DAG does not need croniter

        midnight = datetime.combine(first, time.min, NEW_YORK)
        slots = croniter(self.schedule, midnight - timedelta(seconds=1)).all_next(datetime)
        return list(takewhile(lambda slot: slot <= until, slots))
