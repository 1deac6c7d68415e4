"""The assistant greets people, leaves messages on voicemail, and takes no calls for a subscriber without tokens."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from xml.etree import ElementTree

import pytest
import requests

import notifier
from notifier.actors import drain
from notifier.core.db import transaction
from notifier.core.queues import VOICE
from notifier.deliveries import provider_events
from notifier.deliveries.call_capacity import free_call_capacity
from notifier.voice.responders import Reply, Turn
from sandbox.callbacks import Twilio
from tests.notifier.system import System

OWN_NUMBER, NUMBER = "+17865550100", "+13055550177"
SCRIPT = {
    "name": "Spring",
    "greeting_message": "Thank you for calling Pat's.",
    "outbound_greeting": "Hello, this is an assistant calling for Pat.",
    "voicemail_message": "Pat has called. Please call back.",
}


@pytest.fixture
def subscriber(system: System, settings_of_web: pytest.MonkeyPatch) -> int:
    settings_of_web.setenv("CALL_WINDOW", "00:00-23:59:59.999999")
    return subscriber_with(system, tokens=100)


def subscriber_with(system: System, tokens: int) -> int:
    user = system.subscriber(tokens=tokens, twilio_phone_number="(786) 555-0100")
    system.insert("ai_scripts", {"subscriber_id": user, **SCRIPT})
    return user


@pytest.fixture
def order(system: System, subscriber: int) -> dict[str, str]:
    """Return the fields of the request with which a worker started a call, plus the call's SID."""
    system.insert("call_consents", {"subscriber_id": subscriber, "phone_number": NUMBER})
    notifier.outbound_call.send(
        subscriber_id=subscriber,
        lead_id=system.lead(phone_number=NUMBER),
        script_id=system.value("SELECT id FROM ai_scripts"),
        request_id="r1",
    )
    drain.drain_queue(VOICE)
    (call,) = system.received("twilio")
    return {**call["body"], "sid": call["made"]["sid"]}


def said(answer: requests.Response) -> list[tuple[str, str]]:
    """Return the verbs in a TwiML document, each with its text."""
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/xml")
    return [(verb.tag, (verb.text or "").strip()) for verb in ElementTree.fromstring(answer.text).iter()][1:]


def action(answer: requests.Response) -> str:
    gather = ElementTree.fromstring(answer.text).find("Gather")
    assert gather is not None
    return gather.attrib["action"]


def incoming(twilio: Twilio, sid: str = "CAin", **fields: str) -> requests.Response:
    return twilio.post("/twilio/voice/inbound", {"CallSid": sid, "From": NUMBER, "To": OWN_NUMBER, **fields})


def test_an_inbound_call_is_answered_while_the_queue_is_paused(twilio: Twilio, subscriber: int, system: System) -> None:
    system.rows("SELECT pause_queue('voice-assistant', 'cli:pat', 'maintenance')")
    assert said(incoming(twilio))[-1] == ("Say", SCRIPT["greeting_message"])
    assert system.states() == {"accepted": 1}


@pytest.mark.parametrize("answered_by", ["human", "unknown", ""])
def test_a_person_hears_the_greeting_and_can_answer(
    twilio: Twilio, order: dict[str, str], system: System, answered_by: str
) -> None:
    for _ in range(2):
        (answer,) = twilio.play(order, order["sid"], "answer", AnsweredBy=answered_by)
    assert said(answer) == [("Gather", ""), ("Say", SCRIPT["outbound_greeting"])]
    # The lead's engagement is counted once, and only if Twilio is sure that a person answered.
    expected = [("contacted", 1)] if answered_by == "human" else [("new", 0)]
    assert system.rows("SELECT status, engagement_count FROM leads") == expected


@pytest.mark.parametrize("answered_by", ["machine_end_beep", "machine_end_silence", "machine_end_other"])
def test_a_machine_gets_the_voicemail_after_its_beep(
    twilio: Twilio, order: dict[str, str], system: System, answered_by: str
) -> None:
    (answer,) = twilio.play(order, order["sid"], "answer", AnsweredBy=answered_by)
    assert said(answer) == [("Say", SCRIPT["voicemail_message"]), ("Hangup", "")]
    assert system.rows("SELECT status, engagement_count FROM leads") == [("new", 0)]


def test_the_voicemail_waits_for_the_beep_and_a_fax_gets_nothing(twilio: Twilio, order: dict[str, str]) -> None:
    (early,) = twilio.play(order, order["sid"], "answer", AnsweredBy="machine_start")
    assert [verb for verb, _ in said(early)] == ["Pause", "Say", "Hangup"]
    (fax,) = twilio.play(order, order["sid"], "answer", AnsweredBy="fax")
    assert said(fax) == [("Hangup", "")]


def test_a_converted_lead_that_answers_stays_converted(twilio: Twilio, order: dict[str, str], system: System) -> None:
    system.database.connection.execute("UPDATE leads SET status = 'converted'")
    twilio.play(order, order["sid"], "answer", AnsweredBy="human")
    assert system.rows("SELECT status, engagement_count FROM leads") == [("converted", 1)]


def test_a_whole_call_counts_and_settles_once(
    twilio: Twilio, order: dict[str, str], system: System, applied: Callable[[], None]
) -> None:
    for _ in range(2):
        twilio.play(order, order["sid"], "initiated", "ringing", "in-progress", "answer", AnsweredBy="human")
        twilio.play(order, order["sid"], "completed", AnsweredBy="human", CallDuration="95")
    applied()
    (row,) = system.rows("SELECT id, state FROM deliveries WHERE channel = 'voice'")
    assert row[1] == "delivered"
    assert system.entries(row[0]) == [("hold", 20), ("settle", 20)]
    assert system.rows("SELECT status, engagement_count FROM leads") == [("contacted", 1)]


def test_twilios_request_is_proof_that_a_call_was_made(
    twilio: Twilio, order: dict[str, str], system: System, applied: Callable[[], None]
) -> None:
    system.database.connection.execute("UPDATE deliveries SET state = 'unknown', provider_id = NULL")
    (answer,) = twilio.play(order, order["sid"], "answer", AnsweredBy="human")
    assert ("Say", SCRIPT["outbound_greeting"]) in said(answer)
    applied()
    assert system.rows("SELECT state, provider_id FROM deliveries WHERE channel = 'voice'") == [("sent", order["sid"])]


def test_the_script_responder_ends_with_goodbye(twilio: Twilio, order: dict[str, str]) -> None:
    (answer,) = twilio.play(order, order["sid"], "answer", AnsweredBy="human")
    base = {"CallSid": order["sid"], "From": OWN_NUMBER, "To": NUMBER}
    answer = twilio.post(action(answer), base | {"SpeechResult": "I may want to sell."})
    assert [verb for verb, _ in said(answer)] == ["Gather", "Say"]
    answer = twilio.post(action(answer), base | {"SpeechResult": "No, that is all."})
    assert [verb for verb, _ in said(answer)] == ["Say", "Hangup"]


def test_silence_gets_one_more_question(twilio: Twilio, order: dict[str, str]) -> None:
    (answer,) = twilio.play(order, order["sid"], "answer", AnsweredBy="human")
    answer = twilio.post(action(answer), {"CallSid": order["sid"]})
    assert SCRIPT["outbound_greeting"] in said(answer)[1][1]
    answer = twilio.post(action(answer), {"CallSid": order["sid"]})
    assert said(answer)[-1] == ("Hangup", "")


@pytest.mark.parametrize("words", ["Please don't call me again", "Remove me from your list", "STOP.", "stop calling"])
def test_a_person_who_opts_out_is_never_called_again(
    twilio: Twilio, order: dict[str, str], system: System, words: str
) -> None:
    (answer,) = twilio.play(order, order["sid"], "answer", AnsweredBy="human")
    answer = twilio.post(action(answer), {"CallSid": order["sid"], "To": NUMBER, "SpeechResult": words})
    assert said(answer)[-1] == ("Hangup", "")
    assert system.rows("SELECT channel, address FROM suppressions") == [("voice", NUMBER)]


class Parrot:
    """A responder that repeats the caller's words and fails on demand."""

    def reply(self, turn: Turn) -> Reply:
        if turn.said == "boom":
            raise RuntimeError(turn.said)
        return Reply(f"{turn.number}: {turn.said} ({turn.script.name})")


def test_another_responder_can_be_plugged_in_and_may_fail(
    twilio: Twilio, order: dict[str, str], settings_of_web: pytest.MonkeyPatch
) -> None:
    settings_of_web.setenv("CALL_RESPONDER", f"{__name__}:Parrot")
    (answer,) = twilio.play(order, order["sid"], "answer", AnsweredBy="human")
    answer = twilio.post(action(answer), {"CallSid": order["sid"], "SpeechResult": "hi & <bye>"})
    assert said(answer)[1] == ("Say", "1: hi & <bye> (Spring)")
    answer = twilio.post(action(answer), {"CallSid": order["sid"], "SpeechResult": "boom"})
    assert said(answer)[0][0] == "Say", "the script continues when a responder fails"
    settings_of_web.setenv("CALL_RESPONDER", "no.such.module:Thing")
    assert twilio.post("/twilio/voice/process?delivery_id=1&turn=1", {"CallSid": order["sid"]}).status_code == 200


@pytest.mark.parametrize("recording", ["off", "announced", None])
def test_a_call_is_recorded_only_after_an_announcement(
    twilio: Twilio, order: dict[str, str], settings_of_web: pytest.MonkeyPatch, recording: str | None
) -> None:
    if recording:
        settings_of_web.setenv("CALL_RECORDING", recording)
    (outbound,) = twilio.play(order, order["sid"], "answer", AnsweredBy="human")
    for answer in (outbound, incoming(twilio)):
        verbs = [verb for verb, _ in said(answer)]
        if recording == "announced":
            assert verbs == ["Say", "Start", "Recording", "Gather", "Say"]
            assert "recorded" in said(answer)[0][1]
            assert "/twilio/voice/recording?delivery_id=" in answer.text
        else:
            assert verbs == ["Gather", "Say"]
    (machine,) = twilio.play(order, order["sid"], "answer", AnsweredBy="machine_end_beep")
    assert "Recording" not in machine.text


def test_an_inbound_call_holds_tokens_is_answered_and_settles_at_its_end(
    twilio: Twilio, subscriber: int, system: System, applied: Callable[[], None]
) -> None:
    for _ in range(2):  # Twilio repeats a request if it did not receive the answer.
        assert said(incoming(twilio)) == [("Gather", ""), ("Say", SCRIPT["greeting_message"])]
    rows = "SELECT dedupe_key, state, subscriber_id, provider_id FROM deliveries"
    assert system.rows(rows) == [("inbound:CAin", "accepted", subscriber, "CAin")]
    assert system.balance(subscriber) == 80
    twilio.post("/twilio/voice/status", {"CallSid": "CAin", "CallStatus": "completed", "CallDuration": "30"})
    system.wait_until(lambda: system.states() == {"delivered": 1}, "the call's end")
    assert system.rows("SELECT entry, tokens FROM token_entries WHERE delivery_id IS NOT NULL ORDER BY id") == [
        ("hold", 20),
        ("settle", 20),
    ]
    assert system.rows("SELECT direction, from_number, to_number FROM voice_call_logs") == [
        ("inbound", NUMBER, OWN_NUMBER)
    ]
    # When the app enqueues the same call again, the app gets the existing delivery.
    made = notifier.inbound_call.send(call_sid="CAin")
    assert (made.is_new, made.state) == (False, "delivered")


def test_early_events_of_an_inbound_call_are_applied_later(twilio: Twilio, subscriber: int, system: System) -> None:
    twilio.post("/twilio/voice/status", {"CallSid": "CAin", "CallStatus": "completed", "CallDuration": "30"})
    incoming(twilio)
    provider_events.apply()
    assert system.states() == {"delivered": 1}


def test_an_inbound_call_without_tokens_is_not_answered(twilio: Twilio, system: System) -> None:
    user = subscriber_with(system, tokens=19)
    for _ in range(2):
        answer = incoming(twilio)
        assert [verb for verb, _ in said(answer)] == ["Say", "Hangup"]
        assert "available" in said(answer)[0][1]
    assert system.rows("SELECT state, error_code FROM deliveries") == [("skipped", "insufficient_tokens")]
    assert system.balance(user) == 19


def test_an_unknown_number_and_a_subscriber_without_script_are_not_answered(twilio: Twilio, system: System) -> None:
    assert "available" in said(incoming(twilio))[0][1]
    user = system.subscriber(tokens=100, twilio_phone_number=OWN_NUMBER)
    assert "available" in said(incoming(twilio))[0][1]
    system.insert("ai_scripts", {"subscriber_id": user, **SCRIPT, "is_active": False})
    assert "available" in said(incoming(twilio))[0][1]
    assert system.rows("SELECT * FROM deliveries") == []
    assert system.balance(user) == 100


def test_inbound_calls_that_are_held_open_take_no_line_from_outbound_calls(
    twilio: Twilio, subscriber: int, system: System
) -> None:
    for n in range(5):
        incoming(twilio, f"CA{n}", From=f"+1305555100{n}")
    with transaction() as cursor:
        assert free_call_capacity(cursor, ["outbound_call"]) == 5
    assert system.states() == {"accepted": 5}


def refused(answer: requests.Response) -> bool:
    """Return whether the caller hears a busy signal, which costs nothing."""
    return said(answer) == [("Reject", "")]


def ended(twilio: Twilio, sid: str, seconds: int) -> None:
    twilio.post("/twilio/voice/status", {"CallSid": sid, "CallStatus": "completed", "CallDuration": str(seconds)})
    provider_events.apply()


def test_a_subscribers_inbound_lines_are_limited_for_this_subscriber_only(
    twilio: Twilio, subscriber: int, system: System
) -> None:
    other = system.subscriber(tokens=100, twilio_phone_number="+17865550101")
    system.insert("ai_scripts", {"subscriber_id": other, **SCRIPT})
    system.database.connection.execute("UPDATE users SET token_balance = 1000")
    for n in range(5):
        assert not refused(incoming(twilio, f"CA{n}", From=f"+1305555100{n}"))
    for _ in range(2):
        assert refused(incoming(twilio, "CA5", From="+13055551005"))
    assert not refused(incoming(twilio, "CA6", From="+13055551006", To="+17865550101"))
    assert system.rows("SELECT state, error_code, tokens FROM deliveries WHERE dedupe_key = 'inbound:CA5'") == [
        ("skipped", "lines_busy", 0)
    ]
    ended(twilio, "CA0", 30)
    assert not refused(incoming(twilio, "CA7", From="+13055551007"))


def test_fifty_short_calls_cost_nothing_and_reach_the_callers_limit(twilio: Twilio, system: System) -> None:
    user = subscriber_with(system, tokens=1000)
    answered = 0
    for n in range(50):
        answered += not refused(incoming(twilio, f"CA{n}"))
        ended(twilio, f"CA{n}", 1)
    assert answered == 5
    assert system.balance(user) == 1000
    assert system.rows("SELECT state, error_code, count(*) FROM deliveries GROUP BY 1, 2 ORDER BY 1") == [
        ("delivered", None, 5),
        ("skipped", "caller_limit", 45),
    ]
    assert not refused(incoming(twilio, "CAother", From="+13055551999"))
    system.database.connection.execute("UPDATE deliveries SET accepted_at = accepted_at - interval '1 hour'")
    assert not refused(incoming(twilio, "CAlater"))


def test_calls_from_many_numbers_reach_the_subscribers_limit(
    twilio: Twilio, system: System, settings_of_web: pytest.MonkeyPatch
) -> None:
    """A caller's number may be forged, so a limit per caller's number does not protect the subscriber's balance."""
    settings_of_web.setenv("INBOUND_CALLS_PER_SUBSCRIBER", "3")
    user = subscriber_with(system, tokens=1000)
    for n in range(10):
        incoming(twilio, f"CA{n}", From=f"+1305555{2000 + n}")
        ended(twilio, f"CA{n}", 11)
    assert system.balance(user) == 1000 - 3 * 20
    assert system.rows("SELECT error_code, count(*) FROM deliveries WHERE state = 'skipped' GROUP BY 1") == [
        ("subscriber_limit", 7)
    ]


@pytest.mark.parametrize(("seconds", "cost"), [(9, 0), (10, 20), (181, 25)])
def test_an_inbound_call_is_free_for_a_few_seconds(
    twilio: Twilio, system: System, settings_of_web: pytest.MonkeyPatch, seconds: int, cost: int
) -> None:
    settings_of_web.setenv("CALL_MAX_MINUTES", "4")
    user = subscriber_with(system, tokens=100)
    incoming(twilio)
    ended(twilio, "CAin", seconds)
    assert system.balance(user) == 100 - cost


def test_fifty_calls_at_once_reach_the_limit_too(twilio: Twilio, system: System) -> None:
    user = subscriber_with(system, tokens=1000)
    with ThreadPoolExecutor(10) as callers:
        answers = list(callers.map(lambda n: refused(incoming(twilio, f"CA{n}")), range(50)))
    assert answers.count(False) == 5
    assert system.balance(user) == 900


def test_withheld_numbers_are_one_caller_for_each_subscriber(twilio: Twilio, system: System, subscriber: int) -> None:
    system.database.connection.execute("UPDATE users SET token_balance = 1000")
    for n in range(5):
        assert not refused(incoming(twilio, f"CA{n}", From="anonymous"))
    system.database.connection.execute("UPDATE deliveries SET state = 'delivered'")
    assert refused(incoming(twilio, "CA5", From="anonymous"))
    other = system.subscriber(tokens=100, twilio_phone_number="+17865550101")
    system.insert("ai_scripts", {"subscriber_id": other, **SCRIPT})
    assert not refused(incoming(twilio, "CA6", From="anonymous", To="+17865550101"))


def test_a_suppressed_caller_is_not_answered(twilio: Twilio, system: System, subscriber: int) -> None:
    system.insert("suppressions", {"channel": "voice", "address": NUMBER, "reason": "asked on a call"})
    assert refused(incoming(twilio))
    assert system.rows("SELECT state, error_code FROM deliveries") == [("suppressed", "suppressed")]
    assert system.balance(subscriber) == 100
    # When the app enqueues the refused call, the app gets the existing delivery.
    assert notifier.inbound_call.send(call_sid="CAin").state == "suppressed"


def test_an_inbound_call_ends_when_its_tokens_are_used(twilio: Twilio, subscriber: int, system: System) -> None:
    answer = incoming(twilio)
    system.database.connection.execute("UPDATE deliveries SET accepted_at = now() - interval '181 seconds'")
    answer = twilio.post(action(answer), {"CallSid": "CAin", "SpeechResult": "and another thing"})
    assert said(answer)[-1] == ("Hangup", "")


def test_an_unknown_call_is_hung_up(twilio: Twilio, system: System) -> None:
    for path in ("outbound", "process"):
        for query in ("", "?delivery_id=4711", "?delivery_id=x&turn=y"):
            fields: dict[str, Any] = {"CallSid": "CA9", "AnsweredBy": "human"}
            assert said(twilio.post(f"/twilio/voice/{path}{query}", fields)) == [("Hangup", "")]


def test_a_script_with_forbidden_characters_is_still_twiml(twilio: Twilio, system: System, subscriber: int) -> None:
    system.database.connection.execute(
        "UPDATE ai_scripts SET greeting_message = %s", ("Hello\x08\x0b\x1f\n<Dial>\u202e&\ufffe there" + "!" * 5000,)
    )
    (gather, say) = said(incoming(twilio))
    assert gather == ("Gather", "")
    assert say[1].startswith("Hello <Dial>& there!") and len(say[1]) == 3000
