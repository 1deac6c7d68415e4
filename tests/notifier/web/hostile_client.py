"""Attack the web service with ``python -m tests.notifier.web.hostile_client KIND PORT CONNECTIONS``.

The client continues until it is killed. One second after the service closes a connection, the client opens a new one.
"""

from __future__ import annotations

import asyncio
import base64
import sys
import time
from collections.abc import AsyncIterator, Callable

FORGED_TWILIO = b"X-Twilio-Signature: " + base64.b64encode(bytes(20)) + b"\r\n"
FORGED_SENDGRID = (
    b"X-Twilio-Email-Event-Webhook-Signature: " + base64.b64encode(b"\x30\x44\x02\x20" + bytes(67)) + b"\r\n"
    b"X-Twilio-Email-Event-Webhook-Timestamp: %d\r\n" % time.time()
)
FIELDS = b"&".join(b"%x=" % number for number in range(20_000))[:65_535]
MEGABYTE = b"a" * 1_000_000


def request(path: bytes, length: int, headers: bytes = b"") -> bytes:
    return b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n%s\r\n" % (path, length, headers)


async def half_sent_headers() -> AsyncIterator[bytes]:
    yield b"POST /twilio/sms/status HTTP/1.1\r\n"
    while True:
        await asyncio.sleep(0.5)
        yield b"X-A: 1\r\n"


async def endless_headers() -> AsyncIterator[bytes]:
    yield b"POST /twilio/sms/status HTTP/1.1\r\nX-A: "
    while True:
        yield MEGABYTE


async def many_headers() -> AsyncIterator[bytes]:
    yield b"POST /twilio/sms/status HTTP/1.1\r\n"
    while True:
        yield b"a:b\r\n" * 10_000


async def unsigned_fields() -> AsyncIterator[bytes]:
    yield request(b"/twilio/sms/status", len(FIELDS)) + FIELDS


async def forged_fields() -> AsyncIterator[bytes]:
    yield request(b"/twilio/sms/status", len(FIELDS), FORGED_TWILIO) + FIELDS


async def slow_body() -> AsyncIterator[bytes]:
    yield request(b"/twilio/sms/status", 60_000, FORGED_TWILIO)
    while True:
        await asyncio.sleep(0.5)
        yield b"a"


async def lookup_without_token() -> AsyncIterator[bytes]:
    yield b"POST /api/properties/lookup HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    while True:
        yield b"%x\r\n%s\r\n" % (len(MEGABYTE), MEGABYTE)


async def forged_batch() -> AsyncIterator[bytes]:
    yield request(b"/sendgrid/events", 2_000_000, FORGED_SENDGRID) + MEGABYTE + MEGABYTE


async def unfinished_batch() -> AsyncIterator[bytes]:
    yield request(b"/sendgrid/events", 2_000_000, FORGED_SENDGRID) + MEGABYTE
    await asyncio.sleep(60)


SMALL_CHUNKS = b"1\r\na\r\n" * 40_000


async def small_chunks() -> AsyncIterator[bytes]:
    yield b"POST /twilio/sms/status HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n%s\r\n" % FORGED_TWILIO
    yield SMALL_CHUNKS


async def small_chunks_after_another_request() -> AsyncIterator[bytes]:
    yield (
        b"GET /health HTTP/1.1\r\nHost: x\r\n\r\nPOST /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        + SMALL_CHUNKS
    )


async def metrics() -> AsyncIterator[bytes]:
    yield b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"


KINDS: dict[str, Callable[[], AsyncIterator[bytes]]] = {
    attack.__name__: attack
    for attack in (
        half_sent_headers,
        endless_headers,
        many_headers,
        unsigned_fields,
        forged_fields,
        slow_body,
        lookup_without_token,
        forged_batch,
        unfinished_batch,
        small_chunks,
        small_chunks_after_another_request,
        metrics,
    )
}


async def attack(kind: str, port: int) -> None:
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            sending = asyncio.ensure_future(send(kind, writer))
            while await reader.read(65_536):
                pass
        except OSError:
            pass
        sending.cancel()
        writer.close()
        await asyncio.sleep(1)


async def send(kind: str, writer: asyncio.StreamWriter) -> None:
    async for data in KINDS[kind]():
        writer.write(data)
        await writer.drain()


async def main(kind: str, port: int, connections: int) -> None:
    await asyncio.gather(*(attack(kind, port) for _ in range(connections)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
