"""The service limits headers, bodies and connections in size, duration and number, even before it checks a token."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import httpx
import pytest

from notifier.web import connections, request_limits
from sandbox.callbacks import SendGrid, Twilio
from tests.notifier.web.conftest import APP_TOKEN
from tests.notifier.web.hostile_client import FIELDS, FORGED_SENDGRID, FORGED_TWILIO, request

LOOKUP = b"/api/properties/lookup"
TWILIO = b"/twilio/sms/status"
SENDGRID = b"/sendgrid/events"
TOKEN = f"Authorization: Bearer {APP_TOKEN}\r\n".encode()


def connect(web: httpx.Client) -> socket.socket:
    return socket.create_connection((web.base_url.host, web.base_url.port or 0), timeout=20)


def answer(web: httpx.Client, data: bytes) -> bytes:
    """Send ``data``; return everything that the service sends until it closes the connection."""
    with connect(web) as client:
        client.sendall(data)
        return received(client)


def received(client: socket.socket) -> bytes:
    parts = []
    try:
        while part := client.recv(65_536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (request(LOOKUP, 100), b"401"),
        (request(LOOKUP, 100, b"Authorization: Bearer of-somebody-else\r\n"), b"401"),
        (request(TWILIO, 100), b"403"),
        (request(TWILIO, 100, b"X-Twilio-Signature: AAAA\r\n"), b"403"),
        (request(SENDGRID, 100), b"403"),
        (request(SENDGRID, 100, FORGED_SENDGRID.replace(b"Timestamp: 1", b"Timestamp: ")), b"403"),
        (request(SENDGRID, 100, FORGED_SENDGRID.replace(b"Signature: ", b"Signature: !")), b"403"),
        (request(LOOKUP, 600_000_000, TOKEN), b"413"),
        (request(TWILIO, 70_000, FORGED_TWILIO), b"413"),
        (request(SENDGRID, 5_000_000, FORGED_SENDGRID), b"413"),
        (request(b"/unsubscribe", 10_000), b"413"),
    ],
    ids=[
        "lookup without token",
        "lookup with a wrong token",
        "Twilio without signature",
        "Twilio with a malformed signature",
        "SendGrid without signature",
        "SendGrid with an old timestamp",
        "SendGrid with a malformed signature",
        "large lookup",
        "large form",
        "large batch",
        "large body for a page",
    ],
)
def test_a_request_is_refused_by_its_headers_alone(
    web: httpx.Client, sendgrid: SendGrid, head: bytes, status: bytes
) -> None:
    """The client sends only the headers, and the service closes the connection instead of waiting for the body."""
    start = time.monotonic()
    assert answer(web, head).startswith(b"HTTP/1.1 " + status)
    assert time.monotonic() - start < request_limits.BODY_SECONDS / 2


def test_an_authorized_body_without_end_is_a_413(web: httpx.Client) -> None:
    head = b"POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n%s\r\n" % (LOOKUP, TOKEN)
    with connect(web) as client:
        client.sendall(head + b"10000\r\n" + b"a" * 65_536 + b"\r\n")
        for _ in range(4):
            client.sendall(b"10000\r\n" + b"a" * 65_536 + b"\r\n")
        assert received(client).startswith(b"HTTP/1.1 413")


def test_a_form_with_too_many_fields_is_refused_at_once(web: httpx.Client) -> None:
    start = time.monotonic()
    assert b" 403 " in answer(web, request(TWILIO, len(FIELDS), FORGED_TWILIO + b"Connection: close\r\n") + FIELDS)
    assert time.monotonic() - start < 1


def test_a_slow_body_is_a_408(web: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_limits, "BODY_SECONDS", 0.3)
    for path, headers in ((LOOKUP, TOKEN), (TWILIO, FORGED_TWILIO)):
        assert answer(web, request(path, 100, headers) + b"a").startswith(b"HTTP/1.1 408")


def test_slow_headers_end_the_connection(web: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.5)
    start = time.monotonic()
    for half in (b"", b"GET /health HTTP/1.1\r\nHost:"):
        assert answer(web, half) == b""
    with connect(web) as client:
        client.sendall(b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\nGET /nothing")
        assert received(client).count(b"HTTP/1.1") == 1
    assert time.monotonic() - start < 10


def test_slow_headers_end_even_if_bytes_keep_coming(web: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.5)
    with connect(web) as client:
        client.sendall(b"GET /health HTTP/1.1\r\n")
        with pytest.raises(OSError):
            for _ in range(100):
                client.sendall(b"a: b\r\n")
                time.sleep(0.05)


def test_large_headers_end_the_connection(web: httpx.Client) -> None:
    large = b"GET /health HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * connections.HEADER_BYTES
    assert answer(web, large) == b""
    assert answer(web, large + b"\r\n\r\n") == b""


def test_two_requests_in_one_packet_both_get_an_answer(web: httpx.Client) -> None:
    twice = b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\nGET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert answer(web, twice).count(b"HTTP/1.1 404") == 2


def test_too_many_connections_end_the_longest_wait(
    web: httpx.Client, twilio: Twilio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 5)
    monkeypatch.setattr(connections, "HEADER_SECONDS", 60)
    waiting = [connect(web) for _ in range(5)]
    waiting[2].sendall(request(TWILIO, 100, FORGED_TWILIO))
    time.sleep(0.2)
    for number in range(3):
        field = {"MessageSid": f"SM{number}", "MessageStatus": "sent"}
        assert (
            Twilio(twilio.url, twilio.public_url, "0123456789abcdef0123456789abcdef")
            .post("/twilio/sms/status", field)
            .ok
        )
    assert received(waiting[0]) == b""
    waiting[4].settimeout(0.2)
    with pytest.raises(TimeoutError):
        waiting[4].recv(1)
    for one in waiting:
        one.close()


def test_large_bodies_share_their_memory(
    web: httpx.Client, sendgrid: SendGrid, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_limits, "MEMORY_BYTES", 1_000_000)
    half = request(SENDGRID, 900_000, FORGED_SENDGRID) + b" " * 600_000
    with connect(web) as first:
        first.sendall(half)
        time.sleep(0.3)
        event = {"event": "delivered", "timestamp": 1, "sg_event_id": "e1", "padding": "a" * 700_000}
        assert sendgrid.post([event]).status_code == 200
        assert received(first).startswith(b"HTTP/1.1 408")


def test_no_redirect_names_a_foreign_host(web: httpx.Client) -> None:
    for path in (
        "/health/",
        "/metrics/",
        "/unsubscribe/",
        "//health",
        "/api/properties/lookup/",
        "/twilio/sms/status/",
    ):
        for method in ("GET", "POST"):
            response = web.request(method, path, headers={"Host": "evil.example"})
            assert response.status_code in (401, 404, 405), path
            assert "location" not in response.headers


def test_a_stalled_database_stalls_one_request_for_metrics(
    web: httpx.Client, monkeypatch: pytest.MonkeyPatch, twilio: Twilio
) -> None:
    """While a hundred requests for metrics wait for one stalled read, the service still answers a callback."""
    from notifier.web import metrics

    reads, released = [], Event()

    def stalled() -> bytes:
        reads.append(1)
        released.wait(timeout=30)
        return b""

    monkeypatch.setattr(metrics._shared_text, "_read", stalled)
    monkeypatch.setattr(metrics._shared_text, "_timeout", 0.8)
    with ThreadPoolExecutor(100) as pool:
        waiting = [pool.submit(httpx.get, f"{web.base_url}/metrics", trust_env=False) for _ in range(100)]
        start = time.monotonic()
        assert twilio.post("/twilio/sms/status", {"MessageSid": "SM1", "MessageStatus": "sent"}).ok
        assert time.monotonic() - start < 1.5
        assert {one.result().status_code for one in waiting} == {503}
    released.set()
    assert len(reads) == 1
