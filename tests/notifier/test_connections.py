"""A request that never reached the provider uses up one attempt, and is sent when the provider is reachable again."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import pytest

import notifier
from notifier.actors import drain
from notifier.core.errors import OutcomeUnknown, PermanentFailure, ProviderUnavailable, Refused
from notifier.core.queues import EMAIL, SMS
from notifier.providers import http, sendgrid, twilio
from notifier.providers.http import exchange, pooled_session, sending_within
from tests.notifier.gateway import Gateway
from tests.notifier.system import System
from tests.servers.certificates import make_certificate

QUEUES = {"new_lead_alert": EMAIL, "verification_sms": SMS}


@contextmanager
def server_with_an_unknown_certificate(folder: Path) -> Iterator[int]:
    """Yield the port of a TLS server that has an untrusted certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(make_certificate(folder))

    def greet(listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
                context.wrap_socket(client, server_side=True)
            except ssl.SSLError:
                continue
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        Thread(target=greet, args=(listener,), daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def unreachable(system: System, folder: Path, why: str) -> Any:
    """Return a context manager that yields the port to insert into ``ADDRESSES[why]``."""
    if why == "its certificate is unknown":
        return server_with_an_unknown_certificate(folder)

    @contextmanager
    def nothing() -> Iterator[int]:
        yield system.sandbox.http_port

    return nothing()


ADDRESSES = {
    "its name does not resolve": "http://no-such-provider.invalid",
    "no server listens": "http://127.0.0.1:1",
    "it does not speak TLS": "https://127.0.0.1:{port}",
    "its certificate is unknown": "https://127.0.0.1:{port}",
    "its address is malformed": "127.0.0.1:{port}",
}


@pytest.mark.parametrize("why", ADDRESSES)
@pytest.mark.parametrize("kind", QUEUES)
def test_what_never_left_is_retried_by_the_table(
    system: System, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str, why: str
) -> None:
    monkeypatch.setenv("NOTIFIER_TIME_SCALE", "1")
    with unreachable(system, tmp_path, why) as port:
        for name in ("SENDGRID_API_URL", "TWILIO_API_URL"):
            monkeypatch.setenv(name, ADDRESSES[why].format(port=port))
        twilio.client.cache_clear()
        user = system.subscriber()
        argument = "482913" if kind == "verification_sms" else system.lead()
        getattr(notifier, kind).send(user, argument)
        drain.drain_queue(QUEUES[kind])
    code = "address" if why == "its address is malformed" else "connect"
    assert system.rows("SELECT state, attempts, error_code FROM deliveries") == [("queued", 1, code)]
    assert system.received("sendgrid") == system.received("twilio") == []


def test_what_waited_for_the_provider_is_sent_when_it_is_back(system: System) -> None:
    """The test shortens delays to a tenth, so the attempts to send a code are half a second apart."""
    gateway = Gateway(system.sandbox.http_port)
    system.start_worker(SENDGRID_API_URL=gateway.url, TWILIO_API_URL=gateway.url, NOTIFIER_TIME_SCALE="0.1")
    system.wait_until(lambda: system.rows("SELECT FROM lane_status"), "a heartbeat")
    user = system.subscriber()
    notifier.verification_sms.send(user, "482913")
    notifier.new_lead_alert.send(user, system.lead())
    system.wait_until(lambda: system.value("SELECT min(attempts) FROM deliveries") >= 1, "a try of each")
    gateway.open()
    system.wait_until(lambda: system.states() == {"accepted": 2}, "both sent", seconds=4)
    assert len(system.accepted_emails()) == len(system.accepted_sms()) == 1
    gateway.close()


def test_a_connection_that_was_quiet_for_long_is_not_used_again(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert http.MAX_IDLE_SECONDS < 20, "firewalls forget a connection after as little as 20 s"
    monkeypatch.setattr(http, "MAX_IDLE_SECONDS", 0.2)
    gateway = Gateway(system.sandbox.http_port, forgets_after=0.3)
    gateway.open()
    monkeypatch.setenv("TWILIO_API_URL", gateway.url)
    twilio.client.cache_clear()
    user = system.subscriber()
    for _ in range(2):
        notifier.urgent_lead_sms.send(user, system.lead())
        notifier.urgent_lead_sms.send(user, system.lead())
        drain.drain_queue(SMS)
        drain.stopping.wait(0.5)
    assert system.states() == {"accepted": 4}
    assert gateway.connections == 2, "a connection in use is kept"
    gateway.close()


def test_the_kernel_probes_a_quiet_connection(system: System) -> None:
    session = pooled_session(1)
    exchange(session, "GET", system.sandbox.url + "/_sandbox/health")
    adapter: Any = session.get_adapter(system.sandbox.url)
    (key,) = adapter.poolmanager.pools.keys()
    connection = adapter.poolmanager.pools[key].pool.get()
    assert connection.sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


def test_a_request_that_comes_too_late_is_not_sent(system: System) -> None:
    request = sendgrid.request("welcome_email", "WELCOME", [sendgrid.Email(1, "person@example.test", {})])
    sendgrid.send(request)
    with sending_within(-1), pytest.raises(Refused, match="in time"):
        sendgrid.send(request)
    assert len(system.received("sendgrid")) == 1
    sendgrid.send(request)
    assert len(system.received("sendgrid")) == 2


@pytest.mark.parametrize("then", ["reset", "hang", "trickle"])
def test_after_the_request_was_sent_its_outcome_is_unknown(system: System, then: str) -> None:
    system.fault("sendgrid", then=then, seconds=0 if then == "reset" else 3)
    began = time.monotonic()
    address = urlsplit(system.sandbox.url)
    with pytest.raises(OutcomeUnknown):
        exchange(pooled_session(1), "POST", f"http://{address.netloc}/v3/mail/send", json={}, timeout=1)
    assert time.monotonic() - began < 2, "the whole answer has to come within the timeout"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"headers": {"Authorization": "Bearer a\nb"}}, ProviderUnavailable),
        ({"headers": {"Authorization": "Bearer ‘a’"}}, ProviderUnavailable),
        ({"json": float("nan")}, PermanentFailure),
    ],
    ids=["line end in the key", "quotes in the key", "NaN"],
)
def test_the_outcome_of_a_request_that_cannot_be_written_is_known(
    system: System, options: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        exchange(pooled_session(1), "POST", f"{system.sandbox.url}/v3/mail/send", timeout=1, **options)
    assert system.received("sendgrid") == []


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [
        ("7", 7, 7),
        ("0", 0.1, 0.1),
        ("1e9", 3600, 3600),
        ("nan", 1, 1),
        ("soon", 1, 1),
        (None, 1, 1),
        ("Wed, 21 Oct 99999999999999999999 07:28:00 GMT", 1, 1),
        ("Wed, 21 Oct 2015 07:28:00 +99999999999999999999", 1, 1),
    ],
)
def test_a_wait_that_a_provider_asks_for_is_kept_within_limits(header: str | None, low: float, high: float) -> None:
    assert low <= http.throttled("slower", None, header).retry_after <= high


def test_a_provider_may_ask_for_a_wait_until_a_date() -> None:
    from datetime import UTC, datetime, timedelta
    from email.utils import format_datetime

    date = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert 25 < http.throttled("slower", None, date).retry_after <= 30
