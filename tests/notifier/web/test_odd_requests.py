"""An unusual request with a valid token or signature gets a specific response, never a 500 or a 503."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.callbacks import SendGrid, Twilio
from tests.notifier.system import System
from tests.notifier.web.conftest import APP_TOKEN
from tests.notifier.web.test_signatures import TWILIO_PATHS

PATH = "/api/properties/lookup"
HEADERS = {"Authorization": f"Bearer {APP_TOKEN}"}
FOLIO = '"folio_number": "0131230450670"'

ODD_QUERIES = [
    f'{{{FOLIO}, "subscriber_id": {2**63}}}',
    f'{{{FOLIO}, "subscriber_id": {-(2**63) - 1}}}',
    f'{{{FOLIO}, "subscriber_id": -1}}',
    f'{{{FOLIO}, "subscriber_id": 0}}',
    f'{{{FOLIO}, "subscriber_id": {2**63 - 1}}}',
    f'{{{FOLIO}, "subscriber_id": {"9" * 5000}}}',
    f'{{{FOLIO}, "subscriber_id": 1e400}}',
    f'{{{FOLIO}, "subscriber_id": NaN}}',
    f'{{{FOLIO}, "subscriber_id": "\\u0000"}}',
    f'{{{FOLIO}, "subscriber_id": null}}',
    f'{{{FOLIO}, "subscriber_id": 1, "timeout": NaN}}',
    f'{{{FOLIO}, "subscriber_id": 1, "timeout": Infinity}}',
    f'{{{FOLIO}, "subscriber_id": 1, "timeout": -Infinity}}',
    f'{{{FOLIO}, "subscriber_id": 1, "timeout": "nan"}}',
    f'{{{FOLIO}, "subscriber_id": 1, "timeout": 1e400}}',
    f'{{{FOLIO}, "subscriber_id": 1, "timeout": -0.1}}',
    '{"folio_number": "01312304\\u000050670", "subscriber_id": 1}',
    '{"folio_number": "\\ud800", "subscriber_id": 1}',
    '{"folio_number": "٠١٣١٢٣٠٤٥٠٦٧٠", "subscriber_id": 1}',
    '{"folio_number": ["\\ud800"], "subscriber_id": 1}',
    '{"\\ud800": 1}',
    "[" * 100_000,
    '{"a":' * 10_000,
    "",
    "null",
    "[]",
    "NaN",
    "\ufeff{}",
    "{",
]
ODD_TEXTS = [
    "",
    "\0",
    "\0\0SM1",
    "é" * 100,
    "\U0001f3e0",
    "a" * 5_000,
    "9" * 64,
    "-1",
    "NaN",
    "\r\n",
    "\x7f",
    "%",
    "Mon, 99 Foo 2026",
    "Fri, 27 Nov 2026 07:00:00 +999999999999",
    "Fri, 27 Nov 0001 00:00:00 +1400",
    "1.5",
    "²",
]
FIELDS = (
    *("MessageSid", "SmsSid", "MessageStatus", "ErrorCode", "From", "To", "Body", "OptOutType", "Timestamp"),
    *("CallSid", "CallStatus", "CallDuration", "AnsweredBy", "SpeechResult"),
    *("RecordingSid", "RecordingStatus", "RecordingDuration"),
)
GENUINE = {
    **{"MessageSid": "SM1", "MessageStatus": "failed", "ErrorCode": "30003", "From": "+13055550123", "Body": "STOP"},
    **{"To": "+13055550100", "CallSid": "CA1", "CallStatus": "completed", "CallDuration": "10"},
    **{"RecordingSid": "RE1", "RecordingStatus": "completed"},
}
EVENT = {"event": "bounce", "timestamp": 1_700_000_000, "sg_event_id": "e1", "sg_message_id": "m1", "status": "5.1.1"}


@pytest.mark.parametrize("query", ODD_QUERIES, ids=range(len(ODD_QUERIES)))
def test_an_odd_lookup_is_a_422(web: httpx.Client, query: str) -> None:
    response = web.post(PATH, content=query.encode(), headers=HEADERS)
    assert response.status_code == 422, response.text
    assert response.json()["detail"]


def test_a_body_that_is_not_utf8_is_a_422(web: httpx.Client) -> None:
    for body in (b"\xff\xfe", b'{"folio_number": "\xed\xa0\x80"}', b"\x00", "{}".encode("utf-16")):
        assert web.post(PATH, content=body, headers=HEADERS).status_code == 422


def test_an_odd_lookup_id_is_a_404(web: httpx.Client) -> None:
    for odd in ("1", "0", "-1", str(2**63), "9" * 5_000, "NaN", "%00", "%ED%A0%80", "1.", "1.abc", "²", "1%2F2"):
        assert web.get(f"{PATH}/{odd}", headers=HEADERS).status_code == 404, odd


def test_an_odd_unsubscribe_token_is_a_404(web: httpx.Client) -> None:
    for odd in ("", "1", "%00", "%ED%A0%80", "9" * 5_000, ".", "1.é", "²."):
        for method in ("GET", "POST"):
            assert web.request(method, f"/unsubscribe?token={odd}").status_code == 404, odd


@pytest.mark.parametrize("path", TWILIO_PATHS)
def test_an_odd_genuine_callback_is_answered_and_applied(twilio: Twilio, system: System, path: str) -> None:
    from notifier.deliveries import provider_events

    for name in FIELDS:
        for odd in ODD_TEXTS:
            answer = twilio.post(path, GENUINE | {name: odd})
            assert answer.status_code in (200, 204), (name, odd[:20], answer.text)
    for query in (
        "delivery_id=%00",
        "delivery_id=9223372036854775808",
        "turn=%EF%BC%91",
        "turn=NaN&delivery_id=%C2%B2",
    ):
        assert twilio.post(f"{path}?{query}", GENUINE).status_code in (200, 204), query
    provider_events.apply()


@pytest.mark.parametrize("name", [*EVENT, "type", "delivery_id", "email"])
def test_an_odd_event_of_a_signed_batch_is_answered_and_applied(sendgrid: SendGrid, system: System, name: str) -> None:
    from notifier.deliveries import provider_events

    odd: list[Any] = [*ODD_TEXTS, "\ud800", None, True, 2**63, -(2**63), 10**400, 1e308, [], {}, [[]], {"a": "\ud800"}]
    batch = [EVENT | {name: value, "padding": number} for number, value in enumerate(odd)]
    assert sendgrid.post(batch).status_code == 200
    assert sendgrid.post(json.dumps(batch).replace("1e+308", "NaN").encode()).status_code == 200
    provider_events.apply()


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE"]),
    path=st.sampled_from(
        [PATH, f"{PATH}/1", "/unsubscribe", "/sendgrid/events", "/health", "/metrics", "/", *TWILIO_PATHS]
    ),
    query=st.binary(max_size=60),
    body=st.binary(max_size=200)
    | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(lambda value: json.dumps(value).encode()),
)
def test_no_request_is_a_500(web: httpx.Client, method: str, path: str, query: bytes, body: bytes) -> None:
    address = f"{path}?token={''.join(f'%{byte:02x}' for byte in query)}"
    response = web.request(method, address, content=body, headers=HEADERS)
    assert response.status_code < 500 or path == "/health" or path == "/sendgrid/events", response.text
    assert response.status_code != 500


def test_the_signature_covers_the_path_and_the_query_as_they_came(web: httpx.Client, twilio: Twilio) -> None:
    fields = {"MessageSid": "SM1", "MessageStatus": "sent"}
    plain = "/twilio/sms/status"
    for odd in ("/twilio/sms/%73tatus", f"{plain}?delivery_id=%31", f"{plain}?a=%c3%A9+%20"):
        for signed, status in ((odd, 204), (plain, 403)):
            signature = twilio._validator.compute_signature(twilio.public_url + signed, fields)
            assert web.post(odd, data=fields, headers={"X-Twilio-Signature": signature}).status_code == status, odd
