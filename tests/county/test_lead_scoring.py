"""A lead's score is its base score times its freshness, plus points for equity and engagement.

Scoring writes only changed scores.
"""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import psycopg
import pytest

from county.lead_scoring import score_leads
from leads.clock import local_day
from tests.rows import Rows


def days_ago(rows: Rows, days: int) -> date:
    today: date = rows.one("SELECT new_york_day(now())")
    return today - timedelta(days=days)


@pytest.mark.parametrize(
    ("lead_type", "age", "equity", "engagement", "score"),
    [
        ("probate", 1, None, 0, 95),
        ("foreclosure", 0, 99_999.99, 0, 90),
        ("new_homeowner", 30, None, 0, 85),
        ("new_homeowner", 31, None, 0, 64),  # 63.75
        ("eviction", 60, None, 0, 56),  # 56.25
        ("eviction", 61, None, 0, 38),  # 37.5
        ("verdict", 90, None, 0, 35),
        ("indebtedness", 91, None, 0, 7),
        ("indebtedness", 91, 100_000, 3, 28),
        ("verdict", 10_000, None, 99, 17),
        ("probate", 1, 500_000, 50, 100),
        ("foreclosure", -3, None, 0, 90),
    ],
)
def test_a_score_is_base_times_freshness_and_more_for_equity_and_engagement(
    rows: Rows, lead_type: str, age: int, equity: float | None, engagement: int, score: int
) -> None:
    rows.lead(
        lead_type=lead_type,
        lead_date=days_ago(rows, age),
        estimated_equity=None if equity is None else Decimal(str(equity)),
        engagement_count=engagement,
    )
    score_leads(rows.database.connection)
    assert rows.one("SELECT lead_score FROM leads") == score


def test_ages_are_counted_in_new_york_days(rows: Rows) -> None:
    """Counting in UTC days would be wrong, because at 10 p.m. in New York the next UTC day has already begun."""
    day = local_day(rows.one("SELECT now()"))
    assert rows.one("SELECT calculate_lead_score('probate', %(d)s, NULL, 0)", d=day - timedelta(days=30)) == 95
    assert rows.one("SELECT new_york_day('2026-11-25 03:00+00')") == date(2026, 11, 24)


def test_a_rerun_rewrites_nothing(rows: Rows) -> None:
    rows.lead(lead_date=days_ago(rows, 45))
    rows.lead(lead_date=days_ago(rows, 1), lead_score=90)
    assert score_leads(rows.database.connection) == 1
    before = rows.all("SELECT ctid::text, lead_score, last_score_update FROM leads ORDER BY id")
    assert [row[1:] == (90, None) for row in before] == [False, True], "a score that stays has no time of change"
    assert score_leads(rows.database.connection) == 0
    assert rows.all("SELECT ctid::text, lead_score, last_score_update FROM leads ORDER BY id") == before


def test_only_leads_that_somebody_may_still_work_on_are_scored(rows: Rows) -> None:
    for status in ("new", "contacted", "converted", "closed"):
        rows.lead(status=status, lead_date=days_ago(rows, 1))
    score_leads(rows.database.connection)
    assert rows.all("SELECT lead_score FROM leads ORDER BY id") == [90, 90, 0, 0]


def test_scoring_waits_for_an_ingestion_that_makes_leads(rows: Rows) -> None:
    rows.lead(lead_date=days_ago(rows, 1))
    with psycopg.connect(rows.database.url) as ingestion:
        ingestion.execute("SELECT pg_advisory_xact_lock(hashtext('leads:merge'))")
        rows.database.connection.execute("SET lock_timeout = '300ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            score_leads(rows.database.connection)
        rows.database.connection.execute("RESET lock_timeout")
    assert score_leads(rows.database.connection) == 1
