"""STOP suppresses a number, START ends the suppression, and HELP gets an answer.

Each inbound SMS has its effect only once, even if Twilio repeats the callback.
"""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest

import notifier
from notifier.actors import drain
from notifier.core.queues import SMS
from notifier.web.sms_inbound import ANSWERS
from sandbox.callbacks import Twilio
from tests.notifier.system import System

NUMBER = "+13055552001"


def text(twilio: Twilio, body: str, sid: str = "SM1", **fields: str) -> str | None:
    """Send an inbound SMS to the service; return the text of the service's answer."""
    answer = twilio.post(
        "/twilio/sms/inbound", {"MessageSid": sid, "From": NUMBER, "To": "+13055550100", "Body": body, **fields}
    )
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/xml")
    return ElementTree.fromstring(answer.text).findtext("Message")


def suppressed(system: System) -> list[Any]:
    return system.rows("SELECT channel, address FROM suppressions ORDER BY channel, address")


def test_stop_suppresses_sms_and_calls(twilio: Twilio, system: System) -> None:
    words = [
        "STOP",
        "stop",
        " Stop. ",
        "ＳＴＯＰ",
        "STOPALL",
        "stop all",
        "Stop\n\nSent from my phone",
        "UNSUBSCRIBE",
        "Cancel",
        "END",
        "quit!",
        "REVOKE",
        "OptOut",
    ]
    for number, body in enumerate(words):
        answer = text(twilio, body, sid=f"SM{number}")
        assert (answer is not None and "START" in answer) == (number == 0), body
        assert suppressed(system) == [("sms", NUMBER), ("voice", NUMBER)], body
        system.database.connection.execute("DELETE FROM suppressions")


def hour_later(system: System) -> None:
    system.database.connection.execute("UPDATE delivery_events SET received_at = received_at - interval '1 hour'")


def test_a_flood_of_keywords_gets_one_answer_for_each_keyword_and_hour(twilio: Twilio, system: System) -> None:
    for hour in range(2):
        answers = [text(twilio, body, f"SM{hour}{n}{body}") for n in range(20) for body in ("STOP", "HELP")]
        assert [answer for answer in answers if answer] == [ANSWERS["stop"], ANSWERS["help"]]
        hour_later(system)
    assert text(twilio, "HELP", "SMother", From="+13055552999") == ANSWERS["help"]
    assert suppressed(system) == [("sms", NUMBER), ("voice", NUMBER)]


def test_a_repeated_callback_gets_its_answer_again(twilio: Twilio, system: System) -> None:
    assert [text(twilio, "HELP", "SM1") for _ in range(2)] == [ANSWERS["help"]] * 2
    assert text(twilio, "HELP", "SM2") is None


def test_a_keyword_inside_a_sentence_does_nothing(twilio: Twilio, system: System) -> None:
    for body in ("Please don't stop the alerts", "the end of it", "", "yes please call me", "🏠"):
        assert text(twilio, body) is None
    assert suppressed(system) == []


@pytest.mark.parametrize("body", ["START", "yes", "Unstop"])
def test_start_lifts_only_what_stop_did(twilio: Twilio, system: System, body: str) -> None:
    text(twilio, "STOP", "SM1")
    system.insert("suppressions", {"channel": "sms", "address": "+13055559999", "reason": "stop"})
    system.database.connection.execute("UPDATE suppressions SET reason = 'asked on a call' WHERE channel = 'voice'")
    assert text(twilio, body, "SM2") is not None
    assert suppressed(system) == [("sms", "+13055559999"), ("voice", NUMBER)]


def test_a_repeated_stop_callback_does_not_undo_the_start(twilio: Twilio, system: System) -> None:
    text(twilio, "STOP", "SM1")
    text(twilio, "START", "SM2")
    text(twilio, "STOP", "SM1")
    assert suppressed(system) == []
    text(twilio, "STOP", "SM3")
    assert suppressed(system) == [("sms", NUMBER), ("voice", NUMBER)]


def test_help_answers_in_one_segment(twilio: Twilio, system: System) -> None:
    for body in ("HELP", "info"):
        answer = text(twilio, body)
        assert answer is not None and "STOP" in answer and len(answer) <= 160
    assert suppressed(system) == []


def test_an_sms_that_twilio_answered_gets_no_second_answer(twilio: Twilio, system: System) -> None:
    assert text(twilio, "STOP", OptOutType="STOP") is None
    assert len(suppressed(system)) == 2


@pytest.mark.parametrize("written", [NUMBER, "(305) 555-2001", "305-555-2001"])
def test_a_stop_before_sending_is_honored(twilio: Twilio, system: System, written: str) -> None:
    user = system.subscriber(phone_number=written)
    delivery = notifier.urgent_lead_sms.send(user, system.lead()).delivery_id
    text(twilio, "STOP")
    drain.drain_queue(SMS)
    assert system.state(delivery) == "suppressed"
    assert system.entries(delivery) == [("hold", 10), ("release", 10)]
    assert system.accepted_sms_numbers() == []


@pytest.mark.parametrize("written", ["305 555 2001", "305.555.2001", " +13055552001 "])
def test_a_stop_holds_for_every_spelling_that_is_written_later(twilio: Twilio, system: System, written: str) -> None:
    text(twilio, "STOP")
    delivery = notifier.urgent_lead_sms.send(system.subscriber(phone_number=written), system.lead()).delivery_id
    drain.drain_queue(SMS)
    assert system.state(delivery) == "suppressed"
    assert system.received("twilio") == []


def test_a_start_from_another_country_does_not_lift_a_stop(twilio: Twilio, system: System) -> None:
    text(twilio, "STOP", "SM1", From="+13055554444")
    text(twilio, "START", "SM2", From="+393055554444")
    assert suppressed(system) == [("sms", "+13055554444"), ("voice", "+13055554444")]


def test_a_number_of_a_country_that_is_not_allowed_gets_no_answer_but_its_stop_holds(
    twilio: Twilio, system: System
) -> None:
    for number in ("+881612345678", "+442079460958", "+19005551234"):
        for body in ("HELP", "STOP"):
            answer = twilio.post(
                "/twilio/sms/inbound", {"MessageSid": f"SM{number}{body}", "From": number, "Body": body}
            )
            assert answer.status_code == 200
            assert "<Message>" not in answer.text
        assert ("sms", number) in suppressed(system)
