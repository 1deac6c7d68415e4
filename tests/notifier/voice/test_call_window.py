"""On every day of the year, leads are called only between 8 a.m. and 8 p.m. in their phone numbers' time zones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.core import phone_numbers
from notifier.core.phone_numbers import e164, next_opening, zones

NEW_YORK = ZoneInfo("America/New_York")
MIAMI = "+13055550123"
PENSACOLA = "+18505550123"
LOS_ANGELES = "+12135550123"
TOLL_FREE = "+18005550123"


def new_york(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK)


@pytest.mark.parametrize(
    ("number", "now", "opens"),
    [
        (MIAMI, "2026-11-24 07:59:59", "2026-11-24 08:00"),
        (MIAMI, "2026-11-24 08:00", "2026-11-24 08:00"),
        (MIAMI, "2026-11-24 19:59:59", "2026-11-24 19:59:59"),
        (MIAMI, "2026-11-24 20:00", "2026-11-25 08:00"),
        (MIAMI, "2026-12-31 23:30", "2027-01-01 08:00"),
        (LOS_ANGELES, "2026-11-24 09:00", "2026-11-24 11:00"),
        (LOS_ANGELES, "2026-11-24 22:30", "2026-11-24 22:30"),
        # Area code 850 covers Tallahassee and Pensacola, so the call window must be open in both cities.
        (PENSACOLA, "2026-11-24 08:30", "2026-11-24 09:00"),
        (PENSACOLA, "2026-11-24 20:30", "2026-11-25 09:00"),
        # A toll-free number's owner may be anywhere from Newfoundland to Hawaii.
        (TOLL_FREE, "2026-11-24 09:00", "2026-11-24 13:00"),
        (TOLL_FREE, "2026-11-24 19:00", "2026-11-25 13:00"),
    ],
)
def test_the_next_opening_follows_the_called_number(number: str, now: str, opens: str) -> None:
    assert next_opening(number, new_york(now)) == new_york(opens)


@pytest.mark.parametrize("evening", ["2026-03-07 22:00", "2026-10-31 22:00"])
def test_the_window_opens_at_eight_after_a_change_of_clocks(evening: str) -> None:
    opening = next_opening(MIAMI, new_york(evening).astimezone(UTC))
    assert opening is not None
    assert opening.astimezone(NEW_YORK).time().isoformat() == "08:00:00"
    # The clock change makes the night an hour shorter in spring and an hour longer in fall.
    hours = (opening - new_york(evening).astimezone(UTC)) / timedelta(hours=1)
    assert hours == (9 if "03-07" in evening else 11)


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.sampled_from([MIAMI, PENSACOLA, LOS_ANGELES, TOLL_FREE, "+19075550123", "+16715550123", "+19285550123"]),
)
def test_an_opening_is_never_at_night_and_never_in_the_past(moment: datetime, number: str) -> None:
    opening = next_opening(number, moment)
    assert opening is not None and moment <= opening < moment + timedelta(days=2)
    for zone in zones(number):
        assert 8 <= opening.astimezone(ZoneInfo(zone)).hour < 20


def test_the_window_never_opens_for_a_number_outside_the_plan() -> None:
    assert next_opening("+442079460123", new_york("2026-11-24 12:00")) is None


def test_the_window_is_a_setting_and_a_malformed_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALL_WINDOW", "09:30-17:00")
    assert next_opening(MIAMI, new_york("2026-11-24 08:00")) == new_york("2026-11-24 09:30")
    for wrong in ("20:00-08:00", "8 to 20", "09:00"):
        monkeypatch.setenv("CALL_WINDOW", wrong)
        with pytest.raises(ValueError, match="CALL_WINDOW"):
            next_opening(MIAMI, new_york("2026-11-24 08:00"))


def test_every_area_code_has_existing_zones() -> None:
    codes = phone_numbers._area_codes()
    assert len(codes) > 350
    for places in codes.values():
        assert places and all(ZoneInfo(place) for place in places)


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("305-555-0123", MIAMI),
        ("(305) 555-0123", MIAMI),
        ("1 305 555 0123", MIAMI),
        (" +1 305 555 0123", MIAMI),
        ("+44 20 7946 0123", "+442079460123"),
        ("555-0123", None),
        ("n/a", None),
        ("", None),
        (None, None),
    ],
)
def test_a_number_has_one_form_however_it_is_written(written: str | None, number: str | None) -> None:
    assert e164(written) == number
