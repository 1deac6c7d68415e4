"""Python and SQL accept a phone number in every usual spelling, and reject all other text."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leads.settings import InvalidSetting
from notifier.core.phone_numbers import e164, is_allowed
from tests.servers.postgres import Database

MIAMI = "+13055550101"
SPELLINGS = (
    "(305) 555-0101",
    "305.555.0101",
    " +13055550101 ",
    "1-305-555-0101",
    "+1 (305) 555 0101",
    "305–555–0101",
    "305\u00a0555\u00a00101",
    "\u202a+1 305-555-0101\u202c",
    "011 1 305 555 0101",
)
NOT_NUMBERS = (
    "call me",
    "",
    "   ",
    "5550101",
    "305 555 01011",
    "305-555-0101 x12",
    "305-555-0101, 305-555-0102",
    "+1 105 555 0101",
    "+1 305 155 0101",
    "+393",
    "1-800-FLOWERS",
    "++13055550101",
    "+99912345678",
    "anonymous",
)


def in_sql(database: Database, text: str) -> str | None:
    row = database.connection.execute("SELECT e164(%s)", (text,)).fetchone()
    assert row is not None
    number: str | None = row[0]
    return number


@pytest.mark.parametrize("text", SPELLINGS)
def test_every_usual_spelling_is_the_same_number(database: Database, text: str) -> None:
    assert e164(text) == in_sql(database, text) == MIAMI


def test_a_foreign_number_keeps_its_country(database: Database) -> None:
    for text in ("+39 305 555 4444", "011 39 305 555 4444"):
        assert e164(text) == in_sql(database, text) == "+393055554444"


@pytest.mark.parametrize("text", [*NOT_NUMBERS, None])
def test_a_text_that_is_not_one_number_is_not_read(text: str | None) -> None:
    assert e164(text) is None


DIGITS = st.sampled_from(["305", "555", "0101", "1", "+", "011", "39", "44", "0", "20794609", "7"])
BETWEEN = st.sampled_from(["", " ", "-", ".", "(", ") ", "/", "–", "\u202a", "\u00a0", "\t", "x", ",", "\u0665"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
@given(st.lists(st.one_of(DIGITS, BETWEEN), max_size=12).map("".join))
def test_sql_reads_every_number_that_may_be_sent_as_python_does(database: Database, text: str) -> None:
    number = e164(text)
    if number is not None:
        assert in_sql(database, text) == number == e164(number)


def test_numbers_are_stored_in_e164_whoever_writes_them(database: Database) -> None:
    run = database.connection.execute
    run("INSERT INTO users (phone_number, twilio_phone_number) VALUES ('(305) 555-0101', '1.786.555.0100')")
    run("INSERT INTO users (phone_number) VALUES ('call me')")
    run("INSERT INTO leads (lead_type, phone_number) VALUES ('probate', '305 555 0101'), ('probate', NULL)")
    run("INSERT INTO call_consents (phone_number) VALUES ('305-555-0101')")
    run("INSERT INTO suppressions (channel, address) VALUES ('sms', '305-555-0101'), ('email', '305-555-0101')")
    stored = {
        table: run(f"SELECT {column} FROM {table} ORDER BY id").fetchall()
        for table, column in (
            ("users", "phone_number, twilio_phone_number"),
            ("leads", "phone_number"),
            ("call_consents", "phone_number"),
            ("suppressions", "address"),
        )
    }
    assert stored == {
        "users": [(MIAMI, "+17865550100"), ("call me", None)],
        "leads": [(MIAMI,), (None,)],
        "call_consents": [(MIAMI,)],
        "suppressions": [(MIAMI,), ("305-555-0101",)],
    }


ALLOWED = (MIAMI, "+16045550123", "+17875550123", "+13405550123", "+16715550123", "+16845550123", "+16705550123")
SATELLITE, JAMAICA, LONDON = "+881612345678", "+18765550123", "+442079460958"


@pytest.mark.parametrize("number", [*ALLOWED, "+18005550123"])
def test_american_and_canadian_numbers_and_their_territories_are_allowed(number: str) -> None:
    assert e164(number) == number
    assert is_allowed(number)


@pytest.mark.parametrize("number", [SATELLITE, "+870773111632", JAMAICA, "+12425550123", LONDON, "+19995550123"])
def test_other_countries_satellites_and_unassigned_numbers_are_not_allowed(number: str) -> None:
    assert e164(number) == number
    assert not is_allowed(number)


def test_premium_rate_numbers_are_not_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHONE_COUNTRIES", "US,CA,GB")
    assert is_allowed(LONDON)
    for number in ("+19005551234", "+19002345678", "+449012345678"):
        assert e164(number) == number
        assert not is_allowed(number)


def test_the_countries_are_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHONE_COUNTRIES", "gb, JM")
    assert is_allowed(LONDON) and is_allowed(JAMAICA) and not is_allowed(MIAMI)
    for text in ("USA", "US;CA", "US,"):
        monkeypatch.setenv("PHONE_COUNTRIES", text)
        with pytest.raises(InvalidSetting, match="PHONE_COUNTRIES"):
            is_allowed(MIAMI)
