"""A forged callback gets a 403 response, causes no error and writes no row."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from sandbox.callbacks import SendGrid, Twilio
from tests.notifier.system import System
from tests.notifier.web.conftest import PUBLIC_URL, TWILIO_TOKEN

TWILIO_PATHS = (
    "/twilio/voice/outbound",
    "/twilio/voice/inbound",
    "/twilio/voice/process",
    "/twilio/voice/status",
    "/twilio/voice/recording",
    "/twilio/sms/status",
    "/twilio/sms/inbound",
)
TEXT = {"MessageSid": "SM1", "MessageStatus": "delivered", "From": "+13055550123", "To": "+13055550100", "Body": "STOP"}
CALL = {"CallSid": "CA1", "CallStatus": "completed", "RecordingSid": "RE1", "RecordingStatus": "completed"}


def rows(system: System) -> int:
    return int(
        system.value(
            "SELECT (SELECT count(*) FROM delivery_events) + (SELECT count(*) FROM suppressions)"
            " + (SELECT count(*) FROM deliveries)"
        )
    )


def test_a_forged_twilio_callback_changes_nothing(twilio: Twilio, system: System) -> None:
    for path in TWILIO_PATHS:
        assert_forged_is_refused(twilio, path)
    assert rows(system) == 0


def assert_forged_is_refused(twilio: Twilio, path: str) -> None:
    fields = TEXT | CALL
    genuine = twilio._validator.compute_signature(PUBLIC_URL + path, fields)
    wrong = ["", "x", "AAAA", genuine[:-2], genuine.swapcase(), "\xff\xfe", genuine + " ", "="]
    wrong.append(twilio._validator.compute_signature(PUBLIC_URL + path, fields | {"From": "+13055550199"}))
    wrong.append(twilio._validator.compute_signature(f"{PUBLIC_URL}{path}?delivery_id=1", fields))
    # These two signatures are for the service's internal URL, and for the public URL with http instead of https.
    wrong.append(twilio._validator.compute_signature(twilio.url + path, fields))
    wrong.append(twilio._validator.compute_signature(PUBLIC_URL.replace("https", "http") + path, fields))
    # This signature is from another account.
    wrong.append(Twilio(twilio.url, PUBLIC_URL, TWILIO_TOKEN[::-1])._validator.compute_signature(PUBLIC_URL, fields))
    for signature in wrong:
        assert twilio.post(path, fields, signature.encode("latin-1")).status_code == 403, signature


def test_a_request_without_signature_is_a_403(web: httpx.Client, sendgrid: SendGrid, system: System) -> None:
    for path in (*TWILIO_PATHS, "/sendgrid/events"):
        for content in (b"", b"\xff\x00\xfe", b"%", b"a=1&b=2", b"[]", b"{}"):
            assert web.post(path, content=content).status_code == 403, path
        assert web.post(path, files={"file": b"content"}).status_code == 403, path
    assert rows(system) == 0


def test_the_address_may_have_any_query(twilio: Twilio) -> None:
    for query in (
        "",
        "?delivery_id=1",
        "?delivery_id=%C3%A9%20x&y",
        "?delivery_id=99999999999999999999999",
        "?x=1;y=2",
    ):
        answer = twilio.post(f"/twilio/sms/status{query}", {"MessageSid": f"SM{query}", "MessageStatus": "sent"})
        assert answer.status_code == 204, query


def test_a_genuine_callback_may_have_odd_characters(twilio: Twilio, system: System) -> None:
    odd = {"MessageSid": "SM1", "MessageStatus": "sent", "Body": "¿Qué? \x00 \U0001f3e0 +&=%", "Empty": ""}
    assert twilio.post("/twilio/sms/status", odd).status_code == 204
    assert rows(system) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"Signature": ""},
        {"Signature": "not base64!"},
        {"Signature": "AAAA"},
        {"Timestamp": ""},
        {"Timestamp": "yesterday"},
        {"Timestamp": "1" * 400},
    ],
    ids=["no signature", "no base64", "too short", "no timestamp", "no number", "no time"],
)
def test_a_malformed_sendgrid_signature_is_a_403(sendgrid: SendGrid, system: System, headers: dict[str, Any]) -> None:
    event = {"event": "delivered", "timestamp": 1, "sg_event_id": "e1", "sg_message_id": "m1"}
    assert sendgrid.post([event], **headers).status_code == 403
    assert rows(system) == 0


def test_a_replayed_batch_is_a_403(sendgrid: SendGrid, system: System) -> None:
    event = {"event": "delivered", "timestamp": 1, "sg_event_id": "e1", "sg_message_id": "m1"}
    for age in (301, -301, 86_400, 10 * 365 * 86_400):
        assert sendgrid.post([event], age=age).status_code == 403
    assert rows(system) == 0
    assert sendgrid.post([event], age=240).status_code == 200
    assert rows(system) == 1


def test_a_batch_signed_with_another_key_is_a_403(sendgrid: SendGrid, system: System) -> None:
    event = {"event": "delivered", "timestamp": 1, "sg_event_id": "e1", "sg_message_id": "m1"}
    assert SendGrid(sendgrid.url).post([event]).status_code == 403
    assert sendgrid.post(b"\xff\xfe").status_code == 403
    assert rows(system) == 0


def test_too_large_a_body_is_a_413_before_its_signature_is_checked(
    web: httpx.Client, twilio: Twilio, sendgrid: SendGrid
) -> None:
    assert web.post("/twilio/sms/status", content=b"a" * 70_000).status_code == 413
    assert web.post("/sendgrid/events", content=b"a" * 5_000_000).status_code == 413

    def endless() -> object:
        for _ in range(200):
            yield b"a" * 1_000

    # If a request has no Content-Length, the service stops reading its body at the size limit.
    headers = {"X-Twilio-Signature": twilio._validator.compute_signature(PUBLIC_URL, {})}
    answer = web.post("/twilio/sms/status", content=endless(), headers=headers)  # type: ignore[arg-type]
    assert answer.status_code == 413


def test_without_the_keys_set_nothing_is_accepted(
    web: httpx.Client, twilio: Twilio, settings_of_web: pytest.MonkeyPatch
) -> None:
    settings_of_web.delenv("TWILIO_AUTH_TOKEN")
    answer = twilio.post("/twilio/sms/inbound", TEXT)
    assert (answer.status_code, "TWILIO_AUTH_TOKEN" in answer.text) == (503, True)
    answer_of_sendgrid = web.post("/sendgrid/events", content=b"[]")
    assert (answer_of_sendgrid.status_code, "SENDGRID_WEBHOOK_PUBLIC_KEY" in answer_of_sendgrid.text) == (503, True)
    settings_of_web.setenv("SENDGRID_WEBHOOK_PUBLIC_KEY", "nonsense")
    assert web.post("/sendgrid/events", content=b"[]").status_code == 503
