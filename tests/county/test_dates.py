"""A run's business date is a New York date, whether the scheduler, a backfill or a person started the run."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from county.dates import business_date, parse_name
from leads.business_days import add_business_days, business_days_between, is_business_day
from leads.clock import NEW_YORK

NOW = datetime(2026, 11, 24, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("logical", "day"),
    [
        (datetime(2026, 11, 20, 11, tzinfo=UTC), date(2026, 11, 20)),  # 6:00 in winter
        (datetime(2026, 7, 20, 10, tzinfo=UTC), date(2026, 7, 20)),  # 6:00 in summer
        (
            datetime(2026, 11, 20, 5, tzinfo=UTC),
            date(2026, 11, 20),
        ),  # Backfills and `dags test` use midnight as the logical date.
        (datetime(2026, 11, 20, 4, 59, tzinfo=UTC), date(2026, 11, 19)),  # This is 23:59 in New York.
        (datetime(2026, 3, 8, 5, tzinfo=UTC), date(2026, 3, 8)),  # This is midnight before the clocks go forward.
        (datetime(2026, 3, 9, 4, tzinfo=UTC), date(2026, 3, 9)),  # This is midnight after the clocks go forward.
        (datetime(2026, 3, 9, 10, tzinfo=UTC), date(2026, 3, 9)),
        (datetime(2026, 11, 1, 4, tzinfo=UTC), date(2026, 11, 1)),  # This is midnight before the clocks go back.
        (datetime(2026, 11, 2, 4, 30, tzinfo=UTC), date(2026, 11, 1)),
        (datetime(2026, 11, 2, 11, tzinfo=UTC), date(2026, 11, 2)),
    ],
)
@pytest.mark.parametrize("manual", [False, True])
def test_a_run_has_the_new_york_date_of_its_logical_date(logical: datetime, day: date, manual: bool) -> None:
    assert business_date(logical, asked=None, manual=manual, now=NOW) == day


def test_what_is_asked_for_wins() -> None:
    assert business_date(NOW, asked="2026-02-27", manual=False, now=NOW) == date(2026, 2, 27)


@pytest.mark.parametrize("logical", [None, NOW])
@pytest.mark.parametrize(
    ("now", "day"),
    [
        (datetime(2026, 11, 24, 23, tzinfo=NEW_YORK), date(2026, 11, 24)),
        (datetime(2026, 11, 22, 9, tzinfo=NEW_YORK), date(2026, 11, 20)),  # Sunday
        (datetime(2026, 11, 26, 9, tzinfo=NEW_YORK), date(2026, 11, 25)),  # Thanksgiving
        (datetime(2026, 11, 2, 0, 30, tzinfo=NEW_YORK), date(2026, 11, 2)),
    ],
)
def test_a_run_by_hand_without_a_date_is_for_the_last_business_day(
    logical: datetime | None, now: datetime, day: date
) -> None:
    assert business_date(logical and now, asked=None, manual=True, now=now) == day


def test_nonsense_is_no_date() -> None:
    with pytest.raises(ValueError, match="isoformat"):
        business_date(NOW, asked="20.11.2026", manual=True, now=NOW)


@pytest.mark.parametrize(
    ("name", "parsed"),
    [
        ("Cases.exp", ("cases", None)),
        ("CASES.EXP", ("cases", None)),
        ("Cases_20261120.exp", ("cases", "20261120")),
        ("dly_records_11202026.zip", ("dly_records", "20261120")),
        ("11202026.exp", ("", "20261120")),
        ("Probate_202610.exp", ("probate", "202610")),
        ("readme.txt", None),
        ("Cases.exp.r2", None),
    ],
)
def test_names_of_files(name: str, parsed: tuple[str, str | None] | None) -> None:
    assert parse_name(name) == parsed


def test_business_days_leave_out_weekends_and_closures() -> None:
    assert not is_business_day(date(2026, 11, 26))
    assert not is_business_day(date(2026, 11, 21))
    assert add_business_days(date(2026, 11, 25), 1) == date(2026, 11, 30)
    assert business_days_between(date(2026, 11, 25), date(2026, 11, 30)) == 1
    assert business_days_between(date(2026, 11, 30), date(2026, 11, 25)) == -1
