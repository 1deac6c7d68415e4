"""The compose file's command starts the web service, which logs no secrets."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml  # type: ignore[import-untyped]

from local.paths import ROOT
from sandbox.callbacks import SendGrid, Twilio
from tests.notifier.web.conftest import PUBLIC_URL, TWILIO_TOKEN
from tests.servers.postgres import Database


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "web.log"


@pytest.fixture
def served(settings_of_web: pytest.MonkeyPatch, log: Path) -> Iterator[str]:
    """Start the service with the compose file's command, but on a different port; yield the service's address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = yaml.safe_load((ROOT / "docker-compose.yaml").read_text("utf-8"))["services"]["notifier-web"]["command"]
    swaps = {"8000": port, "0.0.0.0": "127.0.0.1"}
    words = [swaps.get(word, word) for word in command]
    with log.open("wb") as said:
        process = subprocess.Popen(
            [str(Path(sys.executable).with_name(words[0])), *words[1:]],
            cwd=ROOT,
            env=dict(os.environ),
            stdout=said,
            stderr=subprocess.STDOUT,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(url, process, log)
        yield url
    finally:
        process.terminate()
        # After SIGTERM, uvicorn finishes its requests and then ends itself with the same signal.
        assert process.wait(timeout=30) in (0, -signal.SIGTERM), log.read_text()
        assert "Application shutdown complete" in log.read_text()


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            httpx.get(f"{url}/health", timeout=10, trust_env=False)
            return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(f"nobody answers at {url}:\n{log.read_text()}")


def test_the_service_answers_and_logs_no_personal_data(
    settings_of_web: pytest.MonkeyPatch, database: Database, served: str, log: Path
) -> None:
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
    written = log.read_text()
    assert "/twilio/sms/inbound" in written
    lines = [json.loads(line) for line in written.splitlines() if line.startswith("{")]
    answered = [line for line in lines if line["logger"] == "uvicorn.access"]
    assert len({line["request_id"] for line in answered}) == len(answered) >= 5, "every request gets a new id"
    for secret in (token, token.partition(".")[2], "3055550142", "secret@", "Secret", TWILIO_TOKEN):
        assert secret not in written
