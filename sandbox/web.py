"""One HTTP server for all stand-ins, and the control API that tests use.

- ``GET /_sandbox/health``: whether the server answers.
- ``GET /_sandbox/counts``: how many e-mails, texts, calls, … were accepted, by kind.
- ``GET /_sandbox/requests?provider=…``: all requests that the provider's stand-in received.
- ``POST /_sandbox/faults``: add a fault (``sandbox.faults.Fault`` as JSON).
- ``POST /_sandbox/heal``: remove all faults.
- ``POST /_sandbox/became``: set the fields that Twilio returns for a SID from now on.
- ``POST /_sandbox/callbacks`` (with ``serve --call-back``): set the address for the providers' callbacks.
- ``POST /_sandbox/reset``: forget all requests and faults.
"""

from __future__ import annotations

import json
import socket
import struct
import time
from collections import Counter
from collections.abc import Mapping
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count, cycle
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from sandbox.faults import Fault, Faults
from sandbox.providers import ROUTES, TWILIO, Answer, Request
from sandbox.telephony import look_up
from sandbox.world import roll_csv

if TYPE_CHECKING:
    from sandbox.aftermath import Aftermath

KINDS = ("emails", "texts", "calls", "lookups", "oncall")


class Inbox:
    """The requests that the stand-ins have received. All methods are thread-safe."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.faults = Faults()
        self._numbers = count(1)
        self._lock = Lock()
        self._received: list[dict[str, Any]] = []
        self._accepted: Counter[str] = Counter()
        self._became: dict[str, dict[str, Any]] = {}
        self.resets = 0
        self.aftermath: Aftermath | None = None

    def number(self) -> int:
        """Return a new request number."""
        return next(self._numbers)

    def record(
        self, provider: str, request: Request, answer: Answer, accepted: bool, made: Any = None, *, resets: int
    ) -> None:
        """Record a request and its answer.

        ``made`` is the created text or call, even if a fault turned the answer into an error. ``resets`` is the value
        of ``self.resets`` when the request arrived. A request that arrived before the last reset is not recorded.
        """
        entry = {
            "provider": provider,
            "at": time.time(),
            "method": request.method,
            "path": request.path,
            "query": request.query,
            "body": request.fields,
            "text": request.text,
            "status": answer.status,
            "accepted": accepted and bool(answer.accepted),
            "answer": answer.body,
            "made": made if accepted else None,
            "answer_headers": answer.headers,
        }
        with self._lock:
            if resets != self.resets:
                return
            self._received.append(entry)
            if accepted:
                self._accepted.update(answer.accepted)
        if entry["accepted"] and self.aftermath is not None:
            self.aftermath.follow(entry)

    def counts(self) -> dict[str, int]:
        """Return how many e-mails, texts, calls, … were accepted, by kind."""
        with self._lock:
            return {kind: self._accepted[kind] for kind in KINDS}

    def received(self, provider: str | None) -> list[dict[str, Any]]:
        """Return the requests to ``provider``, or to all providers if ``provider`` is None."""
        with self._lock:
            return [entry for entry in self._received if provider in (None, entry["provider"])]

    def texts_and_calls(self) -> list[dict[str, Any]]:
        """Return the texts and calls that Twilio has created, with the fields that its API would return now."""
        with self._lock:
            made = [(entry["at"], entry["made"]) for entry in self._received if entry["provider"] == "twilio"]
            return [
                {**thing, "date_created": formatdate(at, usegmt=True), **self._became.get(thing["sid"], {})}
                for at, thing in made
                if thing and "sid" in thing
            ]

    def became(self, sid: str, fields: dict[str, Any]) -> None:
        """From now on, make Twilio's API return ``fields`` (status, duration, answered_by …) for a text or call."""
        with self._lock:
            self._became.setdefault(sid, {}).update(fields)

    def reset(self) -> None:
        """Forget all requests and faults."""
        with self._lock:
            self._received.clear()
            self._accepted.clear()
            self._became.clear()
            self.resets += 1
        self.faults.clear()


class Server(ThreadingHTTPServer):
    """An HTTP server that uses one thread per connection and keeps connections alive."""

    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, host: str, port: int, inbox: Inbox) -> None:
        super().__init__((host, port), Handler)
        self.inbox = inbox

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore errors from clients that disconnect."""


class Handler(BaseHTTPRequestHandler):
    """Routes each request to a stand-in or to the control API."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16  # With a buffer, the headers and the body can be sent in one packet.
    server: Server

    def do_GET(self) -> None:
        """Answer a GET or POST request."""
        self._handle()

    do_POST = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Write no log line, because the inbox records all requests."""

    def _handle(self) -> None:
        request = self._read()
        if request.path.startswith("/_sandbox/"):
            self._control(request)
            return
        if request.path == "/parcel_roll.csv":
            self._send_body(200, "text/csv", roll_csv(self.server.inbox.seed).encode())
            return
        if request.method == "GET" and request.path.startswith(TWILIO):
            self._send(look_up(request, self.server.inbox.texts_and_calls()))
            return
        for prefix, provider, judge in ROUTES:
            if request.path.startswith(prefix):
                inbox = self.server.inbox
                answer = judge(request, inbox.number(), inbox.seed)
                self._answer_or_fail(provider, request, answer)
                return
        self._send(Answer(404, {"message": f"the sandbox has no stand-in for {request.path}"}))

    def _read(self) -> Request:
        parts = urlsplit(self.path)
        text = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode("utf-8", "replace")
        fields: Any = dict(parse_qsl(text, keep_blank_values=True))
        if "json" in self.headers.get("Content-Type", ""):
            fields = json.loads(text or "null")
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Request(self.command, parts.path, dict(parse_qsl(parts.query)), headers, text, fields)

    def _answer_or_fail(self, provider: str, request: Request, answer: Answer) -> None:
        inbox = self.server.inbox
        resets = inbox.resets
        fault = inbox.faults.take(provider, f"{self.path} {request.text}")
        if fault is None:
            inbox.record(provider, request, answer, accepted=True, made=answer.body, resets=resets)
            self._send(answer)
            return
        if fault.seconds and fault.then not in ("hang", "trickle"):
            time.sleep(fault.seconds)
        usual = fault.then == "answer" and fault.status is None
        sent = answer
        if fault.status is not None:
            sent = Answer(fault.status, fault.body, fault.headers, answer.accepted)
        inbox.record(provider, request, sent, accepted=usual or fault.accept, made=answer.body, resets=resets)
        self._end(fault, sent)

    def _end(self, fault: Fault, answer: Answer) -> None:
        if fault.then == "answer":
            self._send(answer)
            return
        self.close_connection = True
        if fault.then == "hang":
            time.sleep(fault.seconds)
        elif fault.then == "trickle":
            self._trickle(fault.seconds)
        else:  # If SO_LINGER is 0, close() sends RST instead of FIN.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def _trickle(self, seconds: float) -> None:
        """Send an answer at a rate of four bytes per second; stop after ``seconds`` seconds."""
        end = time.monotonic() + seconds
        for byte in cycle(b"HTTP/1.1 200 OK"):
            if time.monotonic() > end:
                return
            self.connection.sendall(bytes([byte]))
            time.sleep(0.25)

    def _control(self, request: Request) -> None:
        inbox = self.server.inbox
        match request.method, request.path.removeprefix("/_sandbox/"):
            case "GET", "health":
                self._send(Answer(200, {"status": "ok"}))
            case "GET", "counts":
                self._send(Answer(200, inbox.counts()))
            case "GET", "requests":
                self._send(Answer(200, inbox.received(request.query.get("provider"))))
            case "POST", "faults":
                try:
                    inbox.faults.add(request.fields)
                except (TypeError, ValueError) as error:
                    self._send(Answer(400, {"message": str(error)}))
                else:
                    self._send(Answer(200, {}))
            case "POST", "became":
                inbox.became(request.fields.pop("sid"), request.fields)
                self._send(Answer(200, {}))
            case "POST", "callbacks" if inbox.aftermath is not None:
                inbox.aftermath.begin(**request.fields)
                self._send(Answer(200, {}))
            case "POST", "heal":
                inbox.faults.clear()
                self._send(Answer(200, {}))
            case "POST", "reset":
                inbox.reset()
                self._send(Answer(200, {}))
            case _:
                paths = "health, counts, requests, faults, heal, became, callbacks (with --call-back) or reset"
                self._send(Answer(404, {"message": f"use {paths}"}))

    def _send(self, answer: Answer) -> None:
        body = b"" if answer.body is None else json.dumps(answer.body).encode()
        self._send_body(answer.status, "application/json", body, answer.headers)

    def _send_body(self, status: int, content_type: str, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
