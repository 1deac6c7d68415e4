"""Serve a fast stand-in for SendGrid and the county's API: ``python -m bench.stand_in --latency 0.02``.

The stand-in waits, then answers; it checks and stores nothing. Benchmarks do not use the sandbox, because checking and
storing a request takes longer than sending it. The stand-in runs in a separate process and prints its port. The only
path of SendGrid's API that the stand-in serves is ``/v3/mail/send``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
from itertools import count

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_FOLIO = re.compile(rb"parameter1=(\d{13})")
_messages = count(1)
_sequences = count(1)


def answer_to(head: bytes) -> bytes:
    """Return the complete HTTP response to a request that begins with ``head``."""
    if head.startswith(b"POST /v3/mail/send"):
        return b"HTTP/1.1 202 Accepted\r\nX-Message-Id: bench%d\r\nContent-Length: 0\r\n\r\n" % next(_messages)
    if folio := _FOLIO.search(head):
        body = json.dumps(deed(folio[1].decode(), next(_sequences))).encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        return head + body
    return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


def deed(folio: str, sequence: int) -> dict[str, object]:
    """Return the county's answer about a parcel: one deed, with a seller and a buyer."""
    common = {
        "CFN_YEAR": 2026,
        "CFN_SEQ": sequence,
        "GROUP_ID": 1,
        "DOC_TYPE": "DEE",
        "REC_DATE": "2026-01-27T00:00:00-05:00",
        "FOLIO_NUMBER": folio,
        "CONSIDERATION_1": 210_000,
        "DEED_DOC_TAX": 1260,
    }
    rows = [
        {**common, "FIRST_PARTY": "SELLER SAM", "PARTY_CODE": "D", "PARTY_SEQUENCE": 1},
        {**common, "FIRST_PARTY": "DOE JANE", "PARTY_CODE": "R", "PARTY_SEQUENCE": 2},
    ]
    return {"Status": "Successful", "UnitsBalance": 90_000, "OfficialRecordList": {"OfficialRecords": rows}}


class Connection(asyncio.Protocol):
    """A client's connection.

    The stand-in answers each request ``latency`` seconds after the request's last byte arrives, or ``email_latency``
    seconds if the request is for SendGrid.
    """

    def __init__(self, latency: float, email_latency: float) -> None:
        self._latency, self._email_latency = latency, email_latency
        self._head = b""
        self._missing = 0
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, so that answers can be sent."""
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Schedule an answer when a request is complete."""
        if self._missing:
            self._missing -= len(data)
        else:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            length = _LENGTH.search(self._head, 0, end)
            self._missing = end + 4 + (int(length[1]) if length else 0) - len(self._head)
        if self._missing <= 0:
            latency = self._email_latency if self._head.startswith(b"POST /v3/mail/send") else self._latency
            answer, self._head, self._missing = answer_to(self._head), b"", 0
            asyncio.get_running_loop().call_later(latency, self._send, answer)

    def _send(self, answer: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(answer)


async def serve(latency: float, email_latency: float) -> None:
    """Print the port, then serve until the process is stopped."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(latency, email_latency), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.stand_in", description=__doc__)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer (default: 0)")
    parser.add_argument("--email-latency", type=float, help="seconds before SendGrid's answers (default: --latency)")
    options = parser.parse_args()
    asyncio.run(serve(options.latency, options.latency if options.email_latency is None else options.email_latency))
