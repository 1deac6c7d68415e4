"""What a feed is. ``county.feeds`` declares the ones that the county publishes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import Enum
from itertools import takewhile

from leads.clock import NEW_YORK


@dataclass(frozen=True)
class Target:
    """A staging table and where each of its columns comes from: a column of the layout, or SQL over such columns.

    In SQL, ``{name}`` stands for the converted value of that column of the layout.
    """

    table: str
    columns: Mapping[str, str]


@dataclass(frozen=True)
class FeedFile:
    """One file of a feed: its name on the server, and the staging tables that its lines go to.

    ``stem`` is the name without date and extension, in lower case; ``other_stems`` are stems that mean the same file.
    A file that is not ``required`` may be missing: the run continues with a warning.
    """

    name: str
    stem: str
    targets: tuple[Target, ...]
    required: bool = True
    other_stems: tuple[str, ...] = ()


class Period(Enum):
    """How much time one set of files covers; the dates on the files and the age of data follow from it."""

    BUSINESS_DAY = "business day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True)
class Feed:
    """A set of files that the county publishes together for one business date. Everything about a feed is said here.

    ``schedule`` is a cron expression in New York time. ``steps`` names the ``.sql`` files of each step (``match``,
    ``merge``, ``make_leads``) in the order in which they run, ``merges`` the tables that ``merge`` changes. A task is
    tried again after ``retry_minutes``. A scheduled run that has not ended ``late_after`` its slot is late (None: no
    deadline). Data older than ``stale_days`` is stale (business days for a feed of business days; None: not watched).
    A feed that ``may_be_empty`` accepts files without a record, and files identical to the ones before.
    """

    name: str
    dag_id: str
    ingestion_type: str
    description: str
    period: Period
    schedule: str
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
        """The queue name under which a failed run is listed among the dead letters."""
        return f"{self.ingestion_type}_ingestion".replace("_", "-")

    @property
    def skips_holidays(self) -> bool:
        """Whether nothing is expected on a day on which the county is closed."""
        return self.period is Period.BUSINESS_DAY

    def file(self, name: str) -> FeedFile:
        """Return the file named ``name``; raises StopIteration for an unknown one."""
        return next(file for file in self.files if file.name == name)

    def slots(self, first: date, until: datetime) -> list[datetime]:
        """Return the scheduled times from ``first`` (a New York date) to ``until`` (aware), oldest first."""
        from croniter import croniter  # not needed to declare a DAG

        midnight = datetime.combine(first, time.min, NEW_YORK)
        slots = croniter(self.schedule, midnight - timedelta(seconds=1)).all_next(datetime)
        return list(takewhile(lambda slot: slot <= until, slots))
