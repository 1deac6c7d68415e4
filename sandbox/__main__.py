"""The sandbox's command line. ``serve`` runs the stand-ins; ``generate`` and ``parcels`` write the county's data."""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from threading import Event, Thread
from types import FrameType
from typing import Any

from sandbox.county import FEEDS, County, newest_business_date
from sandbox.world import write_parcels

HOST = "127.0.0.1"


def main() -> int:
    """Run one command; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    serve_parser = commands.add_parser("serve", help="run the stand-ins until interrupted")
    serve_parser.add_argument(
        "--ftp-port", type=int, default=2121, help="port of the FTP server, 0 for a free one (default 2121)"
    )
    serve_parser.add_argument(
        "--http-port", type=int, default=8025, help="port of the HTTP server, 0 for a free one (default 8025)"
    )
    serve_parser.add_argument(
        "--call-back",
        action="store_true",
        help="send callbacks to the web service after POST /_sandbox/callbacks has given its address",
    )
    serve_parser.add_argument(
        "--ready-file", type=Path, help="when both servers listen, write their ports to this file as JSON"
    )
    generate_parser = commands.add_parser("generate", help="copy one file of one day to a path")
    generate_parser.add_argument("feed", choices=FEEDS)
    generate_parser.add_argument("name", help="file name, such as Cases_20261120.exp")
    generate_parser.add_argument("--out", type=Path, required=True)
    for each in (serve_parser, generate_parser):
        each.add_argument("--files", type=Path, required=True, help="folder for generated files")
        each.add_argument("--documents", type=int, default=10_000, help="documents per business date (default 10,000)")
    parcels_parser = commands.add_parser("parcels", help="write the county's parcels as CSV")
    parcels_parser.add_argument("--out", type=Path, required=True)
    for each in (serve_parser, generate_parser, parcels_parser):
        each.add_argument("--seed", type=int, default=7, help="seed for the county's data (default 7)")

    options = parser.parse_args()
    if options.command == "parcels":
        write_parcels(options.out, options.seed)
        return 0
    county = County(options.files, options.seed, options.documents)
    if options.command == "generate":
        return generate(county, options.feed, options.name, options.out)
    serve(county, options.ftp_port, options.http_port, options.ready_file, call_back=options.call_back)
    return 0


def generate(county: County, feed: str, name: str, out: Path) -> int:
    """Generate one of the county's files, copy it to ``out``, and return the exit code."""
    made = county.file(feed, name, datetime.now(UTC))
    if made is None:
        print(f"the county has no {name} in /{feed}: {', '.join(county.names(feed, datetime.now(UTC))[:6])} …")
        return 1
    shutil.copy2(made, out)
    return 0


def serve(county: County, ftp_port: int, http_port: int, ready_file: Path | None, *, call_back: bool) -> None:
    """Run the FTP server and the HTTP server until SIGINT or SIGTERM arrives."""
    from sandbox.ftp import make_server
    from sandbox.web import Inbox, Server

    stopped = Event()

    def stop(signum: int, frame: FrameType | None) -> None:
        stopped.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    ftp = make_server(county, HOST, ftp_port)
    inbox = Inbox(county.seed)
    http = Server(HOST, http_port, inbox)
    with _running(http.serve_forever), _running(ftp.serve_forever):
        ports = {"ftp_port": ftp.address[1], "http_port": http.server_address[1]}
        ready: dict[str, Any] = {**ports, "business_date": _prepare(county).isoformat()}
        if call_back:
            from sandbox.aftermath import Aftermath  # Only --call-back needs the providers' packages.

            inbox.aftermath = Aftermath(inbox.became)
            ready["sendgrid_public_key"] = inbox.aftermath.public_key
        print(json.dumps(ready), flush=True)
        if ready_file:
            partial = ready_file.with_name(f".{ready_file.name}")
            partial.write_text(json.dumps(ready), "utf-8")
            partial.rename(ready_file)
        stopped.wait()
        if inbox.aftermath is not None:
            inbox.aftermath.end()
    sys.exit(0)  # Exit without waiting for connected clients.


def _prepare(county: County) -> date:
    """Generate the latest day's files in advance, so that the first client does not have to wait; return that day."""
    now = datetime.now(UTC)
    for stem in ("Cases.exp", "Parties.exp"):
        county.file("daily", stem, now)
    return newest_business_date(now)


@contextmanager
def _running(serve_forever: Any) -> Iterator[None]:
    """Start a server in a daemon thread, then run the block."""
    Thread(target=serve_forever, daemon=True).start()
    yield


if __name__ == "__main__":
    sys.exit(main())
