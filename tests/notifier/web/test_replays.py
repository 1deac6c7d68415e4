"""An attacker cannot use a recorded request to change another delivery or to repeat the request's effect.

A request's signature is also valid for other requests that split the same text into different fields.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import requests

import notifier
from notifier.core.queues import SMS
from notifier.deliveries import lifecycle
from notifier.deliveries.lifecycle import SentRecord
from sandbox.callbacks import Twilio
from tests.notifier.system import System
from tests.notifier.web.test_sms_inbound import NUMBER, suppressed
from tests.notifier.web.test_twilio_callbacks import call

ACCOUNT = "AC" + "0" * 32


def sms(system: System, number: int, sid: str | None) -> None:
    """Add an SMS delivery with the id ``number``. If ``sid`` is given, Twilio has accepted the SMS."""
    system.database.connection.execute(f"ALTER TABLE deliveries ALTER COLUMN id RESTART WITH {number}")
    delivery = notifier.urgent_lead_sms.send(system.subscriber(), system.lead()).delivery_id
    claimed = lifecycle.claim(SMS, ["urgent_lead_sms"])
    assert delivery == number and claimed is not None
    if sid is not None:
        lifecycle.accept(claimed, SMS, [SentRecord(number, "+13055552001", "+13055550100", "text")], sid)


def post_cut(
    twilio: Twilio, signed: str, address: str, fields: dict[str, str], cut: dict[str, str]
) -> requests.Response:
    """Post ``cut`` to ``address`` with the signature for a request that posts ``fields`` to ``signed``."""
    texts = [
        twilio.public_url + where + "".join(name + form[name] for name in sorted(form))
        for where, form in ((signed, fields), (address, cut))
    ]
    assert texts[0] == texts[1], "both requests have the same signature"
    return twilio.post(address, cut, twilio._validator.compute_signature(twilio.public_url + signed, fields))


@pytest.mark.parametrize("path", ["/twilio/sms/status", "/twilio/voice/status", "/twilio/voice/outbound"])
def test_a_signature_for_delivery_11_is_none_for_delivery_1(twilio: Twilio, system: System, path: str) -> None:
    fields = {"AccountSid": ACCOUNT, "CallSid": "CA1", "MessageSid": "SM1", "MessageStatus": "delivered"}
    cut = {f"1{name}" if name == "AccountSid" else name: value for name, value in fields.items()}
    sms(system, 1, None)
    answer = post_cut(twilio, f"{path}?delivery_id=11", f"{path}?delivery_id=1", fields, cut)
    assert answer.status_code == 403
    assert system.value("SELECT count(*) FROM delivery_events") == 0


def test_an_event_with_the_sid_of_another_delivery_counts_for_nothing(
    twilio: Twilio, system: System, applied: Callable[[], None]
) -> None:
    sms(system, 1, None)
    sms(system, 11, "SM11")
    event = {"MessageSid": "SM11", "MessageStatus": "delivered"}
    assert twilio.post("/twilio/sms/status?delivery_id=1", event).status_code == 204
    applied()
    assert system.state(1) == "sending"
    assert system.value("SELECT count(*) FROM delivery_events WHERE delivery_id = 1") == 0


def test_a_call_is_not_found_by_the_sid_of_another_call(twilio: Twilio, system: System) -> None:
    first, second = call(system, sid="CA1"), call(system, sid="CA2")
    fields = {"CallSid": "CA2", "CallStatus": "in-progress", "AnsweredBy": "human", "From": NUMBER, "To": NUMBER}
    for path in ("outbound", "process", "status"):
        answer = twilio.post(f"/twilio/voice/{path}?delivery_id={first}", fields | {"SpeechResult": "stop calling"})
        assert answer.status_code in (200, 204)
    assert system.value("SELECT count(*) FROM delivery_events WHERE delivery_id = %s", first) == 0
    assert system.value("SELECT sum(engagement_count) FROM leads") in (None, 0)
    assert suppressed(system) == []
    assert second != first


@pytest.mark.parametrize(
    "cut",
    [
        {"FromZip": "33101MessageSidSM1", "NumMedia": "0", "SmsSid": "SM1"},
        {"FromZip": "33101MessageSidSM1NumMedia0SmsSidSM1"},
        {"FromZip": "33101", "MessageSid": "SM1NumMedia0SmsSidSM1"},
    ],
)
def test_a_recorded_start_lifts_no_later_stop(twilio: Twilio, system: System, cut: dict[str, str]) -> None:
    path = "/twilio/sms/inbound"
    first = {"AccountSid": ACCOUNT, "Body": "START", "From": NUMBER}
    fields = first | {"FromZip": "33101", "MessageSid": "SM1", "NumMedia": "0", "SmsSid": "SM1"}
    assert twilio.post(path, fields).status_code == 200
    assert twilio.post(path, fields | {"Body": "STOP", "MessageSid": "SM2", "SmsSid": "SM2"}).status_code == 200
    stopped = suppressed(system)
    assert len(stopped) == 2
    post_cut(twilio, path, path, fields, first | cut)
    assert suppressed(system) == stopped


def test_a_start_without_a_sid_counts_once(twilio: Twilio, system: System) -> None:
    path = "/twilio/sms/inbound"
    start = {"Body": "START", "From": NUMBER}
    for _ in range(2):
        twilio.post(path, start)
        twilio.post(path, {"Body": "STOP", "From": NUMBER, "MessageSid": "SM2"})
    assert len(suppressed(system)) == 2
