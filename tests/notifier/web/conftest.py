"""Fixtures for the web service.

Uvicorn serves the web service in a thread of the test process, on the test's own database.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import uvicorn
import yaml  # type: ignore[import-untyped]

from local.paths import ROOT
from local.settings import Sandbox
from sandbox.callbacks import SendGrid, Twilio
from tests.notifier.system import System, settings_for
from tests.servers.postgres import Database

APP_TOKEN = "token-of-the-app-with-32-characters"
PUBLIC_URL = "https://hooks.example.test"
"""The address that the providers know. The tests, like a proxy, use another address."""
TWILIO_TOKEN = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def settings_of_web(
    database: Database, redis_url: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> pytest.MonkeyPatch:
    values = settings_for(database, redis_url, sandbox)
    values |= {"API_URL": PUBLIC_URL, "APP_API_TOKEN": APP_TOKEN, "TWILIO_AUTH_TOKEN": TWILIO_TOKEN}
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.fixture
def web(settings_of_web: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    """Yield an HTTP client for the running service."""
    from notifier.core import db
    from notifier.providers import twilio
    from notifier.web import app, health, metrics

    db.close()  # Close the previous test's connection pool.
    health._redis_client.cache_clear()
    twilio.client.cache_clear()
    metrics.COLLECTOR.source.clear()
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
    db.close()


@dataclass(frozen=True)
class Service:
    """The web service, running in a separate process."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log.read_text()
            try:
                httpx.get(f"{self.url}/health", timeout=10, trust_env=False)
                return
            except httpx.TransportError:
                time.sleep(0.1)
        raise AssertionError(f"nobody answers at {self.url}:\n{self.log.read_text()}")


@contextmanager
def start_service(command: Sequence[str], log: Path) -> Iterator[Service]:
    """Start the service with ``command``, but on a free port of this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    swaps = {"8000": port, "0.0.0.0": "127.0.0.1"}
    words = [swaps.get(word, word) for word in command]
    words[0] = str(Path(sys.executable).with_name(words[0]))
    with log.open("wb") as said:
        process = subprocess.Popen(words, cwd=ROOT, env=dict(os.environ), stdout=said, stderr=subprocess.STDOUT)
    try:
        started = Service(f"http://127.0.0.1:{port}", process, log)
        started.wait_until_it_answers()
        yield started
    finally:
        process.terminate()
        # After SIGTERM, uvicorn finishes its requests and then sends itself SIGTERM again.
        assert process.wait(timeout=30) in (0, -signal.SIGTERM), log.read_text()
        assert "Application shutdown complete" in log.read_text()


def compose_command() -> list[str]:
    """Return the command with which docker-compose.yaml starts the service."""
    compose = yaml.safe_load((ROOT / "docker-compose.yaml").read_text("utf-8"))
    command: list[str] = compose["services"]["notifier-web"]["command"]
    return command


@pytest.fixture
def service(settings_of_web: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Service]:
    """Start the service with the command in docker-compose.yaml, and yield the service."""
    with start_service(compose_command(), tmp_path / "web.log") as started:
        yield started


@pytest.fixture
def twilio(web: httpx.Client) -> Twilio:
    """Return a stand-in for Twilio that sends callbacks to the service."""
    return Twilio(str(web.base_url).rstrip("/"), PUBLIC_URL, TWILIO_TOKEN)


@pytest.fixture
def sendgrid(web: httpx.Client, settings_of_web: pytest.MonkeyPatch) -> SendGrid:
    """Return a stand-in for SendGrid that sends events to the service and signs them with a key the service accepts."""
    made = SendGrid(str(web.base_url).rstrip("/"))
    settings_of_web.setenv("SENDGRID_WEBHOOK_PUBLIC_KEY", made.public_key)
    return made


@pytest.fixture
def system(web: httpx.Client, database: Database, sandbox: Sandbox, tmp_path: Path) -> Iterator[System]:
    """Yield the test's system. The system has no workers unless the test starts some."""
    running = System(database, os.environ["REDIS_URL"], sandbox, tmp_path)
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def applied(system: System) -> Callable[[], None]:
    """Return a function that waits until every stored event that belongs to a delivery has been applied."""

    def wait() -> None:
        system.wait_until(
            lambda: (
                system.value(
                    "SELECT count(*) FROM delivery_events WHERE applied_at IS NULL AND delivery_id IS NOT NULL"
                )
                == 0
            ),
            "all events applied",
        )

    return wait
