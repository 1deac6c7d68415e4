"""Text from county records and call scripts is shortened to one line, because strangers may have written it.

Text from county records contains no links when it appears in a message.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from twilio.twiml.voice_response import VoiceResponse

from notifier.messages.wording import ADDRESS_UNKNOWN, NAME_LENGTH, one_line, recorded, street_address

EVIL = "WIN $500 AT HTTP://EVIL.EXAMPLE/A OR CALL 305-555-0199"
LINK = re.compile(r"://|www\.|\w\.\w{2}|@", re.IGNORECASE)
ANYTHING = st.text(st.characters(), max_size=200)


def address(street: str | None, unit: str | None = None, city: str | None = None) -> str:
    return street_address({"address": street, "unit": unit, "city": city})


@pytest.mark.parametrize(
    ("recorded_as", "shown"),
    [
        (("1200 NW 7 ST", None, "Miami"), "1200 NW 7 ST, Miami"),
        (("8 CALLE OCHO", "APT 2", "Miami"), "8 CALLE OCHO APT 2, Miami"),
        (("123 1/2 SW 8 ST", "#4-B", None), "123 1/2 SW 8 ST #4-B"),
        (("12 ST.JOHN'S PL", "", "Miami-Dade"), "12 ST. JOHN'S PL, Miami-Dade"),
        (("NW 7 AVE", None, None), "NW 7 AVE"),
        (("9999 DR MARTIN LUTHER KING JR BLVD", "101", "Miami"), "9999 DR MARTIN LUTHER KING JR BLVD 101, Miami"),
        (("1 OCEAN DRIVE EXTENDED", None, None), "1 OCEAN DRIVE EXTENDED"),
        (("200 S BISCAYNE BLVD STE 2700", None, None), "200 S BISCAYNE BLVD STE 2700"),
        (("  9  NW\n7\tST ", None, "Opa-locka"), "9 NW 7 ST, Opa-locka"),
    ],
)
def test_an_address_is_shown_as_recorded(recorded_as: tuple[str, str | None, str | None], shown: str) -> None:
    assert address(*recorded_as) == shown


@pytest.mark.parametrize(
    "text",
    [
        *(None, "", EVIL, "CALL ME", "1234", "WIN 500 NOW", "WIN $500 AT HTTP://EVIL.EXAMPLE", "5 HTTP://EVIL.EXAMPLE"),
        *("1 WIN 500 DOLLARS REPLY YES", "99 YOUR ACCOUNT IS LOCKED PAY NOW", "1 SW 8 ST CALL 30 55 55 01 01"),
        *("1 CALL (305) 555-0199 ST", "5 CALL 3055550199", "$5 ST", "1 A@B.EXAMPLE", "1 EVIL.EXAMPLE/A"),
    ],
)
def test_a_text_that_is_no_address_is_not_shown(text: str | None) -> None:
    assert address(text) == ADDRESS_UNKNOWN


def test_a_phone_number_in_the_unit_or_city_is_not_shown(text: str = "1200 NW 7 ST") -> None:
    assert address(text, "3055550199") == ADDRESS_UNKNOWN
    assert address(text, None, "CALL 305-555-0199") == ADDRESS_UNKNOWN


@pytest.mark.parametrize("letter", ["Ø", "Ð", "日", "Я"])
def test_letters_that_an_sms_omits_do_not_hide_a_phone_number(letter: str) -> None:
    assert address(f"1 SW 8 ST CALL 305{letter}555{letter}0199") == ADDRESS_UNKNOWN
    assert address(f"305{letter}555{letter}0199 SW 8 ST") == ADDRESS_UNKNOWN
    assert address(f"1 SW 8 ST RUE DE L{letter}ST") != ADDRESS_UNKNOWN


@given(ANYTHING, ANYTHING, ANYTHING)
@example(EVIL, "EVIL.EXAMPLE", "HTTP://EVIL.EXAMPLE")
@example("1 EVIL\u202e.EXAMPLE ST", "\u2024COM", "evil\uff0eexample")
def test_no_recorded_text_becomes_a_link_or_a_second_line(street: str, unit: str, city: str) -> None:
    for text in (address(street, unit, city), address(f"1 {street}", unit, city), recorded(street, NAME_LENGTH)):
        assert not LINK.search(text)
        assert text.isprintable()
        assert len(text) <= 120


def test_an_owners_name_is_bounded_and_keeps_its_letters() -> None:
    assert recorded("GARCÍA MARÍA & O'NEIL J.P.; ACME, INC. #2 (TRUST) A/K/A X", 100) == (
        "GARCÍA MARÍA & O'NEIL J. P.; ACME, INC. #2 (TRUST) A/K/A X"
    )
    assert recorded("X " * 500, NAME_LENGTH) == ("X " * 50).rstrip()
    assert recorded("PAY AT WWW.EVIL.EXAMPLE", 100) == "PAY AT WWW. EVIL. EXAMPLE"


@given(ANYTHING)
@example("Hello\x00\x08\x0b\x1f there\ufffe \ud800 \u202e<b>&")
def test_twiml_is_xml_whatever_a_script_holds(script: str) -> None:
    response = VoiceResponse()
    response.say(one_line(script, 3_000))
    (said,) = ElementTree.fromstring(str(response))
    assert (said.text or "") == one_line(script, 3_000)
