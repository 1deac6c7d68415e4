"""The web service, served by uvicorn over HTTP in a thread of the test's process, on the test's own database."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import httpx
import pytest
import uvicorn

from tests.services import Database

APP_TOKEN = "token-of-the-app"
PUBLIC_URL = "https://hooks.example.test"
"""What the providers know us by; the tests, like a proxy, reach the service under another address."""
TWILIO_TOKEN = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def settings_of_web(database: Database, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in {
        "DATABASE_URL": database.url,
        "REDIS_URL": redis_url,
        "API_URL": PUBLIC_URL,
        "APP_API_TOKEN": APP_TOKEN,
        "FRONTEND_URL": "https://app.example.test",
        "NOTIFIER_SECRET_KEY": "c2VjcmV0LWtleS1vZi10aGUtdGVzdHMtMzItYnl0ZXM=",
        "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
        "TWILIO_AUTH_TOKEN": TWILIO_TOKEN,
        "TWILIO_SMS_NUMBER": "+13055550100",
    }.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.fixture
def web(settings_of_web: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    """A client of the running service."""
    from notifier import store
    from notifier.web import app, health

    store.close()  # a pool of the test before
    health._redis_client.cache_clear()
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as client:
        yield client
    server.should_exit = True
    thread.join(timeout=30)
    assert not thread.is_alive(), "uvicorn did not stop"
