"""Hostile clients can neither delay a genuine callback nor exhaust the service's memory."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psutil  # type: ignore[import-untyped]
import psycopg
import pytest

from local.paths import ROOT
from sandbox.callbacks import Twilio
from tests.notifier.web.conftest import PUBLIC_URL, TWILIO_TOKEN, Service, compose_command, start_service
from tests.notifier.web.hostile_client import KINDS
from tests.servers.postgres import Database

CONNECTIONS = 200
#: The service must answer a genuine callback within this many seconds.
ANSWER_SECONDS = 1.0
MEMORY_BYTES = 250_000_000
#: Each attack is measured for this many seconds.
ATTACK_SECONDS = 1.2


@contextmanager
def attackers(kind: str, service: Service, connections: int = CONNECTIONS) -> Iterator[None]:
    command = [sys.executable, "-m", "tests.notifier.web.hostile_client", kind]
    process = subprocess.Popen([*command, str(urlsplit(service.url).port), str(connections)], cwd=ROOT)
    try:
        wait_until_connected(service, min(connections, 100), process)
        yield
        assert process.poll() is None, f"{kind}: the hostile client has ended"
    finally:
        process.kill()
        process.wait(timeout=30)


def wait_until_connected(service: Service, connections: int, client: subprocess.Popen[bytes]) -> None:
    port, deadline = urlsplit(service.url).port, time.monotonic() + 20
    while time.monotonic() < deadline:
        peers = [one for one in psutil.Process(client.pid).net_connections() if one.raddr and one.raddr.port == port]
        if len(peers) >= connections:
            return
        time.sleep(0.05)
    raise AssertionError(f"the hostile client did not open {connections} connections")


def measure(service: Service, label: str) -> tuple[float, int]:
    """Send genuine callbacks for ATTACK_SECONDS; return the longest response time (s) and peak memory (bytes)."""
    twilio = Twilio(service.url, PUBLIC_URL, TWILIO_TOKEN)
    process, slowest, memory, number = psutil.Process(service.process.pid), 0.0, 0, 0
    end = time.monotonic() + ATTACK_SECONDS
    while time.monotonic() < end:
        number += 1
        start = time.monotonic()
        answer = twilio.post("/twilio/sms/status", {"MessageSid": f"SM{label}{number}", "MessageStatus": "sent"})
        slowest = max(slowest, time.monotonic() - start)
        assert answer.status_code == 204, (label, answer.text)
        memory = max(memory, process.memory_info().rss)
        twilio._session.close()  # Each callback uses its own connection.
    return slowest, memory


@contextmanager
def stalled_metrics(database: Database) -> Iterator[None]:
    """Lock a table that only the requests for metrics read."""
    with psycopg.connect(database.url) as connection:
        connection.execute("LOCK TABLE lane_breakers")
        yield


def test_no_attack_delays_a_callback_or_fills_the_memory(service: Service, database: Database) -> None:
    assert_unharmed(service, database)


@pytest.mark.drill
def test_the_plain_command_is_safe_too(settings_of_web: pytest.MonkeyPatch, database: Database, tmp_path: Path) -> None:
    """Without options, uvicorn would use httptools, which has no limits of its own."""
    plain = ["uvicorn", "notifier.web:app", "--port", "8000"]
    assert compose_command()[:2] == plain[:2]
    with start_service(plain, tmp_path / "web.log") as service:
        assert_unharmed(service, database)


def assert_unharmed(service: Service, database: Database) -> None:
    measured = {}
    with stalled_metrics(database):
        for kind in KINDS:
            with attackers(kind, service):
                measured[kind] = measure(service, kind.replace("_", ""))
    harmful = {
        kind: (seconds, memory)
        for kind, (seconds, memory) in measured.items()
        if seconds > ANSWER_SECONDS or memory > MEMORY_BYTES
    }
    assert not harmful
