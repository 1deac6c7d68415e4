"""Limits the size of a request body, the time for receiving it, and the memory for all large bodies together.

The limits apply before routing. A body is read only when the route asks for it. A route first checks the token or the
signature header.
"""

from __future__ import annotations

import asyncio

from fastapi import HTTPException
from fastapi.responses import JSONResponse
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: The maximum size of a body for each path prefix. SendGrid posts batches of up to about one megabyte.
ROUTE_BYTES = {"/sendgrid/": 2 * 1024 * 1024, "/api/": 256 * 1024, "/twilio/": 64 * 1024}
#: The maximum size of a body for all other routes, which do not read the body.
OTHER_BYTES = 8 * 1024
#: The body must be complete within this time (s) after the headers.
BODY_SECONDS = 10.0
#: A body above this size counts as large.
LARGE_BYTES = 64 * 1024
#: The maximum total size of all large bodies.
MEMORY_BYTES = 16 * 1024 * 1024


class RequestLimits:
    """Responds with 413 to a body that is too large, and with 408 to a body that takes too long."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._bodies: dict[Body, None] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Closes the connection if the request's body was not read to its end."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = Body(scope, receive, self._bodies)

        async def send_and_close(message: Message) -> None:
            if message["type"] == "http.response.start" and not body.is_complete:
                MutableHeaders(scope=message)["Connection"] = "close"
            await send(message)

        if body.declared > body.limit:
            answer = JSONResponse({"detail": body.too_large.detail}, body.too_large.status_code)
            await answer(scope, receive, send_and_close)
            return
        self._bodies[body] = None
        try:
            await self._app(scope, body.receive, send_and_close)
        finally:
            del self._bodies[body]


class Body:
    """The body of one request. ``limit`` and ``declared`` are in bytes."""

    def __init__(self, scope: Scope, receive: Receive, bodies: dict[Body, None]) -> None:
        headers = Headers(scope=scope)
        self.limit = next((size for path, size in ROUTE_BYTES.items() if scope["path"].startswith(path)), OTHER_BYTES)
        self.declared = int(headers.get("content-length", "0"))
        self.is_complete = not self.declared and "transfer-encoding" not in headers
        self.too_large = HTTPException(413, f"the body may have at most {self.limit} bytes")
        self._receive = receive
        self._bodies = bodies
        self._size = 0
        self._clock = asyncio.get_running_loop().time
        self._deadline = self._clock() + BODY_SECONDS
        self._wait: asyncio.Timeout | None = None

    async def receive(self) -> Message:
        """Return the next part of the body. Raises HTTPException with status 408 or 413 if the body exceeds a limit."""
        if self.is_complete:
            return await self._receive()
        try:
            # asyncio.timeout_at does not interrupt a wait that ends immediately, so also compare the time with the
            # deadline.
            if self._clock() >= self._deadline:
                raise TimeoutError
            async with asyncio.timeout_at(self._deadline) as self._wait:
                message = await self._receive()
        except TimeoutError:
            raise HTTPException(408, "the body took too long") from None
        finally:
            self._wait = None
        self._count(message)
        return message

    def _count(self, message: Message) -> None:
        self._size += len(message.get("body", b""))
        self.is_complete = not message.get("more_body", False)
        if self._size > self.limit:
            self.is_complete = False
            raise self.too_large
        if self._size > LARGE_BYTES:
            self._make_room()

    def _make_room(self) -> None:
        """If the large bodies use too much memory, stop reading the oldest large body that is incomplete."""
        large = [body for body in self._bodies if body._size > LARGE_BYTES and body._deadline > self._clock()]
        if sum(body._size for body in large) > MEMORY_BYTES:
            oldest = next((body for body in large if not body.is_complete), self)
            oldest._end()

    def _end(self) -> None:
        self._deadline = self._clock()
        if self._wait is not None:
            self._wait.reschedule(self._deadline)
