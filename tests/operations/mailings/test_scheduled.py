"""The right subscribers get digests, reports and trial reminders at the right time, and only once."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from leads.clock import NEW_YORK
from operations.mailings.scheduled import last_week, open_digests, open_reports, open_trial_reminders
from tests.rows import Rows

DAY = date(2026, 11, 24)


def digests(rows: Rows, day: date = DAY, today: date | None = None) -> dict[str, int]:
    return open_digests(rows.database.connection, day, today=today or day)


def remind(rows: Rows, day: date = DAY, today: date | None = None) -> dict[str, int]:
    """Enqueue trial reminders the way the DAG's 9:00 run does."""
    return open_trial_reminders(rows.database.connection, day, today=today or day, now=at(day, 9))


def at(day: date, hour: int) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=NEW_YORK)


def due(rows: Rows, zone: str = "America/New_York") -> str:
    moment: datetime = rows.one("SELECT not_before FROM deliveries ORDER BY id DESC LIMIT 1")
    return f"{moment.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M %Z}"


@pytest.mark.parametrize(
    ("day", "preferences", "moment"),
    [
        (DAY, {}, "2026-11-24 08:00 EST"),
        (DAY, {"digest_time": "18:30"}, "2026-11-24 18:30 EST"),
        (DAY, {"digest_time": "05:00"}, "2026-11-24 05:00 EST"),
        (DAY, {"digest_time": "04:30"}, "2026-11-25 04:30 EST"),
        (DAY, {"digest_timezone": "America/Los_Angeles"}, "2026-11-24 11:00 EST"),
        (DAY, {"digest_timezone": "Europe/Madrid"}, "2026-11-25 02:00 EST"),
        (DAY, {"digest_timezone": "Asia/Tokyo", "digest_time": "07:00"}, "2026-11-24 17:00 EST"),
        # On days with a clock change, a digest is still due at the subscriber's local time. If that time does not
        # exist, the digest is due an hour later.
        (date(2026, 3, 7), {"digest_time": "02:30"}, "2026-03-08 03:30 EDT"),
        (date(2026, 3, 8), {}, "2026-03-08 08:00 EDT"),
        (date(2026, 3, 8), {"digest_time": "02:30"}, "2026-03-09 02:30 EDT"),
        (date(2026, 10, 31), {"digest_time": "01:30"}, "2026-11-01 01:30 EST"),
        (date(2026, 11, 1), {}, "2026-11-01 08:00 EST"),
        (date(2026, 11, 1), {"digest_time": "01:30"}, "2026-11-02 01:30 EST"),
        # An invalid time or time zone is treated as if it were not set.
        (DAY, {"digest_time": "25:00"}, "2026-11-24 08:00 EST"),
        (DAY, {"digest_time": "8 am", "digest_timezone": "Miami"}, "2026-11-24 08:00 EST"),
        (DAY, {"digest_time": 8, "digest_timezone": ["UTC"]}, "2026-11-24 08:00 EST"),
        (DAY, {"digest_time": None, "digest_timezone": ""}, "2026-11-24 08:00 EST"),
    ],
)
def test_a_digest_is_due_at_the_subscribers_own_time(
    rows: Rows, day: date, preferences: dict[str, Any], moment: str
) -> None:
    rows.user(email_preferences=preferences)
    assert digests(rows, day) == {"opened": 1, "unpaid": 0}
    assert due(rows) == moment


@pytest.mark.parametrize("first", [date(2026, 3, 1), date(2026, 10, 15)])
def test_each_day_has_one_digest_at_the_same_local_time(rows: Rows, first: date) -> None:
    """During these days, the clocks change both in New York and in the subscriber's time zone."""
    rows.user(email_preferences={"digest_time": "02:15", "digest_timezone": "Europe/Madrid"})
    for n in range(35):
        digests(rows, first + timedelta(days=n))
    local = [m.astimezone(ZoneInfo("Europe/Madrid")) for m in rows.all("SELECT not_before FROM deliveries ORDER BY 1")]
    assert len({moment.date() for moment in local}) == len(local) == 35
    # On March 29, 02:15 does not exist in Madrid.
    assert [f"{m:%H:%M}" for m in local if m.date() != date(2026, 3, 29)] == ["02:15"] * (35 - (first.month == 3))


def test_a_digest_is_enqueued_once_a_day_and_costs_a_token(rows: Rows) -> None:
    user = rows.user(token_balance=5)
    assert digests(rows)["opened"] == 1
    assert digests(rows)["opened"] == 0
    assert rows.one("SELECT dedupe_key, kind, channel, params, state FROM deliveries") == (
        f"digest:{user}:2026-11-24", "daily_digest", "email", {"day": "2026-11-24"}, "queued",
    )  # fmt: skip
    assert rows.one("SELECT token_balance FROM users") == 4
    assert digests(rows, DAY + timedelta(days=1))["opened"] == 1


def test_subscribers_who_opted_out_or_are_inactive_get_no_mailing(rows: Rows) -> None:
    rows.user(email_preferences={"daily_digest": False, "weekly_report": False})
    rows.user(email_preferences={"daily_digest": "false", "weekly_report": " False"})
    rows.user(subscription_status="cancelled")
    rows.user(subscription_status=None)
    rows.user(email=None)
    assert digests(rows) == {"opened": 0, "unpaid": 0}
    assert open_reports(rows.database.connection, DAY, today=DAY)["opened"] == 0
    assert rows.all("SELECT 1 FROM deliveries") == []


def test_preferences_that_are_not_an_object_are_ignored(rows: Rows) -> None:
    for text in ("[]", '"x"', "null", "1"):
        rows.database.connection.execute(
            "INSERT INTO users (email, subscription_status, email_preferences, token_balance)"
            " VALUES ('b@example.com', 'trialing', %s::jsonb, 9)",
            (text,),
        )
    assert digests(rows)["opened"] == 4


def test_only_subscribers_who_cannot_pay_are_skipped(rows: Rows) -> None:
    rows.user(token_balance=0)
    rows.user()
    assert digests(rows) == {"opened": 2, "unpaid": 1}
    assert rows.all("SELECT state, error_code FROM deliveries ORDER BY id") == [
        ("skipped", "insufficient_tokens"),
        ("queued", None),
    ]


def test_a_past_day_enqueues_nothing(rows: Rows) -> None:
    rows.user(subscription_status="trialing", trial_ends_at=datetime(2026, 11, 25, 12, tzinfo=ZoneInfo("UTC")))
    assert digests(rows, DAY, today=DAY + timedelta(days=1))["opened"] == 0
    assert remind(rows, DAY, today=DAY + timedelta(days=1))["opened"] == 0
    assert open_reports(rows.database.connection, DAY - timedelta(days=7), today=DAY)["opened"] == 0


def test_a_report_covers_the_last_complete_week(rows: Rows) -> None:
    old = datetime(2026, 1, 1, tzinfo=ZoneInfo("UTC"))
    user = rows.user(created_at=old)
    # A subscriber who joined after the week ended gets no report for that week.
    rows.user(created_at=datetime(2026, 11, 24, tzinfo=ZoneInfo("UTC")))
    monday = date(2026, 11, 23)
    assert open_reports(rows.database.connection, monday, today=DAY) == {"opened": 1, "unpaid": 0}
    assert open_reports(rows.database.connection, DAY, today=DAY)["opened"] == 0
    assert rows.one("SELECT dedupe_key, params FROM deliveries") == (
        f"report:{user}:2026-11-16",
        {"week_start": "2026-11-16"},
    )
    assert [last_week(monday + timedelta(days=n)) for n in (-1, 0, 6, 7)] == [
        date(2026, 11, 9), date(2026, 11, 16), date(2026, 11, 16), date(2026, 11, 23),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("ends", "days"),
    [
        ("2026-12-01 00:00 America/New_York", 7),
        ("2026-12-01 23:59 America/New_York", 7),
        ("2026-11-30 12:00 America/New_York", None),
        ("2026-11-27 02:00 UTC", None),  # In New York, this is the evening of November 26, two days after DAY.
        ("2026-11-28 02:00 UTC", 3),
        ("2026-11-25 23:00 America/New_York", 1),
        ("2026-11-24 23:00 America/New_York", None),
        ("2026-11-23 12:00 America/New_York", None),
    ],
)
def test_trial_reminders_are_due_seven_three_and_one_new_york_days_before_the_end(
    rows: Rows, ends: str, days: int | None
) -> None:
    moment, zone = ends.rsplit(" ", 1)
    trial_ends_at = datetime.strptime(moment, "%Y-%m-%d %H:%M").replace(tzinfo=ZoneInfo(zone))
    user = rows.user(subscription_status="trialing", trial_ends_at=trial_ends_at, token_balance=0)
    remind(rows)
    remind(rows)
    key = f"trial:{user}:{trial_ends_at.astimezone(ZoneInfo('UTC')):%Y-%m-%dT%H:%M:%SZ}:{days}"
    expected = [] if days is None else [(key, {"days_remaining": days}, "queued", 0)]
    assert rows.all("SELECT dedupe_key, params, state, tokens FROM deliveries") == expected


def test_only_trials_get_reminders_and_an_extended_trial_gets_new_ones(rows: Rows) -> None:
    ends = datetime(2026, 11, 25, 12, tzinfo=ZoneInfo("UTC"))
    rows.user(subscription_status="active", trial_ends_at=ends)
    rows.user(subscription_status="trialing", trial_ends_at=None)
    user = rows.user(subscription_status="trialing", trial_ends_at=ends)
    assert remind(rows)["opened"] == 1
    rows.database.connection.execute("UPDATE users SET trial_ends_at = trial_ends_at + interval '7 days'")
    later = DAY + timedelta(days=7)
    assert remind(rows, later)["opened"] == 1
    assert rows.all("SELECT DISTINCT subscriber_id FROM deliveries") == [user]


@pytest.mark.parametrize(
    ("left", "slept", "reminders"),
    [
        (8, 0, [(7, 7)]),
        (8, 1, [(7, 6)]),
        (8, 3, [(7, 4)]),
        (8, 4, [(3, 3)]),  # The 3-day reminder replaces the missed 7-day reminder.
        (8, 5, [(3, 2)]),
        (4, 1, [(3, 2)]),
        (5, 0, []),
        (16, 10, [(7, 5)]),
        (16, 15, [(1, 0)]),
        (2, 1, [(1, 0)]),  # The trial ends tonight.
        (2, 2, []),
    ],
)
def test_a_missed_reminder_is_sent_later_once_while_the_trial_lasts(
    rows: Rows, left: int, slept: int, reminders: list[tuple[int, int]]
) -> None:
    """The DAG runs ``left`` days before the trial ends, then misses ``slept`` days, and then runs twice."""
    remind_after_sleep(rows, left, slept, created_at=at(DAY, 8))
    assert reminded(rows) == reminders


def test_a_new_subscriber_gets_no_reminder_from_before_the_sign_up(rows: Rows) -> None:
    remind_after_sleep(rows, 8, 3, created_at=at(DAY + timedelta(days=1), 10))
    assert reminded(rows) == []


def remind_after_sleep(rows: Rows, left: int, slept: int, created_at: datetime) -> None:
    ends = at(DAY + timedelta(days=left), 20)
    rows.user(subscription_status="trialing", trial_ends_at=ends, created_at=created_at)
    remind(rows)
    for _ in range(2):
        remind(rows, DAY + timedelta(days=1 + slept))


def reminded(rows: Rows) -> list[tuple[int, int]]:
    """Return, for each reminder, the days left according to its key and the days left according to its e-mail."""
    return rows.all(
        "SELECT split_part(dedupe_key, ':', -1)::integer, (params ->> 'days_remaining')::integer FROM deliveries"
    )


def test_the_time_zone_of_the_session_changes_nothing(rows: Rows) -> None:
    rows.database.connection.execute("SET TimeZone = 'Asia/Tokyo'")
    rows.user()
    user = rows.user(subscription_status="trialing", trial_ends_at=datetime(2026, 11, 25, 12, tzinfo=ZoneInfo("UTC")))
    digests(rows)
    assert due(rows) == "2026-11-24 08:00 EST"
    remind(rows)
    assert rows.one("SELECT max(dedupe_key) FROM deliveries") == f"trial:{user}:2026-11-25T12:00:00Z:1"


def test_ten_thousand_subscribers_take_one_statement(rows: Rows) -> None:
    rows.database.connection.execute(
        "INSERT INTO users (email, subscription_status, token_balance, email_preferences)"
        " SELECT n || '@example.com', 'active', 10, '{\"digest_timezone\": \"America/Chicago\"}'"
        " FROM generate_series(1, 10000) AS n"
    )
    assert digests(rows) == {"opened": 10_000, "unpaid": 0}
    assert rows.one("SELECT count(*) FROM token_balances WHERE token_balance <> by_entries") == 0
