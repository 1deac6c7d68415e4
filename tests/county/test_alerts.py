"""Every subscriber whose criteria match a new lead gets one alert, unless the lead is too old."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.county.days import (
    FOLIO,
    FRIDAY,
    MONDAY,
    OTHER_FOLIO,
    THURSDAY,
    WEDNESDAY,
    Pipeline,
    deed,
    lis_pendens,
    subscriber,
)


def deliveries_to(pipeline: Pipeline, user: int) -> list[tuple[str, str, str]]:
    """Return the kind, lead type and state of each of the subscriber's deliveries."""
    return pipeline.rows(
        "SELECT d.kind, l.lead_type, d.state FROM deliveries d JOIN leads l ON l.id = d.lead_id"
        " WHERE d.subscriber_id = %s ORDER BY d.kind, l.lead_type, d.id",
        user,
    )


EMAIL = ("new_lead_alert", "new_homeowner", "queued")


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        ({}, [EMAIL]),
        ({"lead_types": ["foreclosure"]}, []),
        ({"cities": []}, [EMAIL]),
        ({"cities": ["mIaMi", "Doral"]}, [EMAIL]),  # The folio's municipality matches.
        ({"cities": ["Little Havana"]}, [EMAIL]),  # The city in the property's address matches.
        ({"cities": ["Hialeah"]}, []),
        ({"min_score": 85}, [EMAIL]),
        ({"min_score": 86}, []),
        ({"channels": []}, []),
        (
            {"channels": ["sms"]},
            [],
        ),  # Subscribers get texts only about urgent leads. A lead with a score of 85 is not urgent.
    ],
)
def test_a_subscriber_is_alerted_of_leads_that_match_the_criteria(
    county: Pipeline, criteria: dict[str, Any], expected: list[tuple[str, str, str]]
) -> None:
    county.connection.execute("INSERT INTO properties (folio_number, city) VALUES (%s, 'Little Havana')", (FOLIO,))
    user = subscriber(county, **criteria)
    county.run(FRIDAY, [deed()])
    assert deliveries_to(county, user) == expected


@pytest.mark.parametrize("channels", [["email"], ["sms"], ["email", "sms"]])
def test_urgent_leads_are_texted_to_those_who_want_texts(county: Pipeline, channels: list[str]) -> None:
    user = subscriber(county, channels=channels)
    county.run(FRIDAY, [lis_pendens()])
    kinds = {"email": "new_lead_alert", "sms": "urgent_lead_sms"}
    assert [row[0] for row in deliveries_to(county, user)] == sorted(kinds[channel] for channel in channels)


@pytest.mark.parametrize(("status", "count"), [("active", 1), ("trialing", 1), ("canceled", 0), ("past_due", 0)])
def test_only_active_subscriptions_get_alerts(county: Pipeline, status: str, count: int) -> None:
    user = subscriber(county, status=status)
    county.run(FRIDAY, [deed()])
    assert len(deliveries_to(county, user)) == count


def test_several_matching_criteria_give_one_alert(county: Pipeline) -> None:
    user = subscriber(county)
    county.connection.execute(
        "INSERT INTO subscriber_lead_criteria (subscriber_id, lead_types, channels)"
        " VALUES (%s, '{new_homeowner}', '{email}')",
        (user,),
    )
    county.run(FRIDAY, [deed()])
    assert deliveries_to(county, user) == [EMAIL]


def test_the_key_and_the_price_are_those_of_the_contract(county: Pipeline) -> None:
    user = subscriber(county, channels=["email", "sms"])
    county.run(FRIDAY, [lis_pendens()])
    (lead,) = county.one("SELECT id FROM leads")
    rows = county.rows("SELECT dedupe_key, channel, tokens FROM deliveries ORDER BY channel")
    assert rows == [
        (f"lead:{lead}:user:{user}:new_lead_alert", "email", 1),
        (f"lead:{lead}:user:{user}:urgent_lead_sms", "sms", 10),
    ]
    assert county.one("SELECT token_balance FROM users") == (89,)


def test_scarce_tokens_go_to_the_best_leads(county: Pipeline) -> None:
    user = subscriber(county, tokens=1)
    county.run(FRIDAY, [deed(), lis_pendens(folio=OTHER_FOLIO)])
    assert deliveries_to(county, user) == [
        ("new_lead_alert", "foreclosure", "queued"),
        ("new_lead_alert", "new_homeowner", "skipped"),
    ]
    assert county.one("SELECT token_balance FROM users") == (0,)
    assert county.one("SELECT error_code FROM deliveries WHERE state = 'skipped'") == ("insufficient_tokens",)


def test_rerunning_the_day_alerts_nobody_twice(county: Pipeline) -> None:
    user = subscriber(county)
    for _ in range(3):
        county.run(FRIDAY, [*_SAME_DAY])
    assert deliveries_to(county, user) == [EMAIL]


_SAME_DAY = [deed()]


@pytest.mark.parametrize(
    ("announce_on", "notify", "count"),
    [
        (FRIDAY, None, 1),
        (MONDAY.replace(day=25), None, 1),  # November 25 is three business days after the run's date.
        (MONDAY.replace(day=27), None, 1),  # Thanksgiving and the day after it are not business days.
        (MONDAY.replace(day=30), None, 0),
        (MONDAY.replace(month=12, day=14), None, 0),
        (MONDAY.replace(month=12, day=14), True, 1),
        (FRIDAY, False, 0),
    ],
)
def test_old_days_send_no_alerts_unless_the_run_asks_for_them(
    county: Pipeline, announce_on: Any, notify: bool | None, count: int
) -> None:
    user = subscriber(county)
    county.run(FRIDAY, [deed()], announce_on=announce_on, notify=notify)
    assert len(deliveries_to(county, user)) == count
    (announced,) = county.one("SELECT announced_at IS NOT NULL FROM leads")
    assert announced == bool(count)


def test_deleting_a_leads_document_cancels_its_alerts_and_costs_nothing(county: Pipeline) -> None:
    user = subscriber(county, tokens=50, channels=["email", "sms"])
    mistake = lis_pendens(WEDNESDAY)
    county.run(THURSDAY, [mistake])
    assert county.one("SELECT token_balance FROM users") == (39,)
    county.run(FRIDAY, [replace(mistake, action="D")])
    assert {row[2] for row in deliveries_to(county, user)} == {"cancelled"}
    assert county.one("SELECT token_balance, by_entries FROM token_balances") == (50, 50)
