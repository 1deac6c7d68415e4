"""Limits the size of headers, the time for receiving headers, and the number of open connections.

uvicorn's own protocols wait for headers without a time limit, and httptools accepts headers of any size. ``limit`` adds
the limits to both protocols, so that ``uvicorn notifier.web:app`` is safe with any options.
"""

from __future__ import annotations

import asyncio
import sys
import time
from functools import cache
from typing import Any

#: The maximum size of a request's first line and headers. Twilio and SendGrid send less than two kilobytes.
HEADER_BYTES = 8 * 1024
#: Headers are parsed in parts of this size (bytes), so that only the last part can contain data from the body.
PART_BYTES = 512
#: The data after the headers may contain this many newline characters, and one more for each LINE_BYTES bytes. Without
#: this limit, a body in chunks of one byte would block the event loop for seconds.
FREE_LINES = 64
LINE_BYTES = 64
#: A request's headers must be complete within this time (s) after the connection opened or the previous answer ended.
HEADER_SECONDS = 5.0
#: The maximum number of open connections, which is below the usual limit of 1,024 open files.
MAX_CONNECTIONS = 500


class LimitedConnection(asyncio.Protocol):
    """Extends a protocol class from uvicorn. Closes a connection if its client keeps the service waiting.

    If there are too many connections, the service closes the connection whose client has kept it waiting longest. A
    genuine client sends its request within milliseconds, so its connection stays open. The annotated attributes are
    set by uvicorn. ``cycle`` is the latest request on the connection, or None before the first request.
    """

    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    connections: set[LimitedConnection]
    cycle: Any

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # Do not accept WebSockets, because their headers and messages would have no limits.
        self.ws_protocol_class = None
        self._waiting_since = 0.0
        self._header_bytes = 0
        self._body_bytes = 0
        self._body_lines = 0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the time limit for the headers, and close a connection if too many are open."""
        super().connection_made(transport)
        self._wait_for_headers()
        if len(self.connections) > MAX_CONNECTIONS:
            waiting = [one for one in self.connections if one._is_waiting()]
            min(waiting, key=lambda one: one._waiting_since).transport.abort()

    def data_received(self, data: bytes) -> None:
        """Parse the data. Close the connection if its headers are too large, or if its body has too many lines."""
        if not self._has_request():
            data = self._receive_headers(data)
        self._body_bytes += len(data)
        self._body_lines += data.count(b"\n")
        if self._body_lines > FREE_LINES + self._body_bytes / LINE_BYTES:
            self.transport.abort()
        elif data:
            super().data_received(data)

    def _receive_headers(self, data: bytes) -> bytes:
        """Parse the data up to the limit for headers. Returns the rest of the data if the headers are complete."""
        for start in range(0, min(len(data), HEADER_BYTES - self._header_bytes), PART_BYTES):
            super().data_received(data[start : start + PART_BYTES])
            if self._has_request():
                self._stop_timer()
                return data[start + PART_BYTES :]
            if self.transport.is_closing():
                return b""
        self._header_bytes += len(data)
        if self._header_bytes >= HEADER_BYTES:
            self.transport.abort()
        return b""

    def on_response_complete(self) -> None:
        """Start the time limit within which the client must read the answer and send the next request's headers."""
        super().on_response_complete()  # type: ignore[misc]  # uvicorn's
        if not self._has_request():
            self._wait_for_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the time limit for the headers."""
        self._stop_timer()
        super().connection_lost(exc)

    def _has_request(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _is_waiting(self) -> bool:
        return not self._has_request() or self.cycle.more_body

    def _wait_for_headers(self) -> None:
        self._stop_timer()
        self._waiting_since = time.monotonic()
        self._header_bytes = self._body_bytes = self._body_lines = 0
        self._timer = self.loop.call_later(HEADER_SECONDS, self.transport.abort)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


@cache
def limit() -> None:
    """Make uvicorn apply the limits to all future connections, whichever protocol uvicorn was started with.

    uvicorn chooses its protocol class before it imports the app, so this function makes the chosen class create
    instances of a limited subclass.
    """
    for module, name in (("h11_impl", "H11Protocol"), ("httptools_impl", "HttpToolsProtocol")):
        if loaded := sys.modules.get(f"uvicorn.protocols.http.{module}"):
            _limit(getattr(loaded, name))


def _limit(chosen: type[asyncio.Protocol]) -> None:
    limited = type(f"Limited{chosen.__name__}", (LimitedConnection, chosen), {})

    def new(cls: type[Any], *args: Any, **options: Any) -> Any:
        return object.__new__(limited)

    setattr(chosen, "__new__", new)  # noqa: B010 (mypy does not allow the plain assignment)
