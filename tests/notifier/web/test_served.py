"""The compose file's command starts the web service, which logs no secrets."""

from __future__ import annotations

import json

import httpx
import pytest

from sandbox.callbacks import SendGrid, Twilio
from tests.notifier.web.conftest import PUBLIC_URL, TWILIO_TOKEN, Service
from tests.servers.postgres import Database


def test_the_service_answers_and_logs_no_personal_data(
    settings_of_web: pytest.MonkeyPatch, database: Database, service: Service
) -> None:
    served = service.url
    health = httpx.get(f"{served}/health", timeout=10, trust_env=False)
    assert (health.status_code, health.json()["database"], health.json()["redis"]) == (503, True, True)
    user = database.connection.execute(
        "INSERT INTO users (email) VALUES ('secret@example.test') RETURNING id"
    ).fetchone()
    assert user is not None
    from notifier.messages.links import unsubscribe_token

    token = unsubscribe_token(user[0])
    assert httpx.post(f"{served}/unsubscribe?token={token}", timeout=10, trust_env=False).status_code == 200
    twilio = Twilio(served, PUBLIC_URL, TWILIO_TOKEN)
    number = {"From": "+13055550142", "To": "+13055550100", "Body": "STOP", "MessageSid": "SM1"}
    assert twilio.post("/twilio/sms/inbound", number).status_code == 200
    assert twilio.post("/twilio/sms/inbound", number, "forged").status_code == 403
    said = {"CallSid": "CA1", "From": "+13055550142", "To": "+13055550100", "SpeechResult": "my name is Secret"}
    assert twilio.post("/twilio/voice/process?delivery_id=1&turn=1", said).status_code == 200
    assert SendGrid(served).post([{"email": "secret@example.test"}]).status_code in (403, 503)
    assert database.connection.execute("SELECT count(*) FROM suppressions").fetchone() == (3,)
    written = service.log.read_text()
    assert "/twilio/sms/inbound" in written
    lines = [json.loads(line) for line in written.splitlines() if line.startswith("{")]
    answered = [line for line in lines if line["logger"] == "uvicorn.access"]
    assert len({line["request_id"] for line in answered}) == len(answered) >= 5, "every request gets a new id"
    for secret in (token, token.partition(".")[2], "3055550142", "secret@", "Secret", TWILIO_TOKEN):
        assert secret not in written
