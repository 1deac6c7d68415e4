"""A real FTP server for a folder.

A test can make the server break transfers, report success too early, or let files grow.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import DTPHandler, FTPHandler, TLS_DTPHandler, TLS_FTPHandler
from pyftpdlib.ioloop import IOLoop
from pyftpdlib.servers import FTPServer

USER, PASSWORD = "county", "secret"


@dataclass
class CountyServer:
    """The running server, and the faults that a test sets.

    ``cut_after`` and ``stop_after`` contain byte counts, and each count applies to one transfer. When the server has
    sent the number of bytes in ``cut_after``, it drops the connection. When the server has sent the number of bytes in
    ``stop_after``, it stops but reports a complete transfer. During each of the next downloads, the
    server appends one item of ``grow`` to the file.
    """

    folder: Path
    port: int = 0
    cut_after: list[int] = field(default_factory=list)
    stop_after: list[int] = field(default_factory=list)
    grow: list[str] = field(default_factory=list)
    transfers: list[tuple[str, int]] = field(default_factory=list)
    """The file name of each download, and the bytes that REST skipped."""

    def put(self, path: str, content: bytes, written: datetime) -> None:
        target = self.folder / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        os.utime(target, (written.timestamp(), written.timestamp()))


@contextmanager
def running_ftp_server(folder: Path, certificate: Path | None = None) -> Iterator[CountyServer]:
    """Start the server and yield it.

    If ``certificate`` (a file with a certificate and key) is given, TLS is required.
    """
    county = CountyServer(folder)
    for feed in ("daily", "weekly", "monthly"):
        (folder / feed).mkdir(exist_ok=True)
    authorizer = DummyAuthorizer()
    authorizer.add_user(USER, PASSWORD, str(folder), perm="elr")

    class Transfer(TLS_DTPHandler if certificate else DTPHandler):  # type: ignore[misc]
        ac_out_buffer_size = 4096

        def send(self, data: bytes) -> Any:
            if county.cut_after and self.tot_bytes_sent >= county.cut_after[0]:
                county.cut_after.pop(0)
                self.cmd_channel.close()
                self.close()
                return 0
            if county.stop_after and self.tot_bytes_sent >= county.stop_after[0]:
                county.stop_after.pop(0)
                self._resp = ("226 Transfer complete.", logging.debug)
                self.close()
                return 0
            return super().send(data)

    class Handler(TLS_FTPHandler if certificate else FTPHandler):  # type: ignore[misc]
        dtp_handler = Transfer
        use_sendfile = False
        auth_failed_timeout = 0.1
        certfile = str(certificate)
        tls_control_required = tls_data_required = True

        def ftp_RETR(self, file: str) -> Any:
            county.transfers.append((Path(file).name, self._restart_position))
            if county.grow:
                with Path(file).open("ab") as grown:
                    grown.write(county.grow.pop(0).encode())
            return super().ftp_RETR(file)

    Handler.authorizer = authorizer
    loop = IOLoop()
    server = FTPServer(("127.0.0.1", 0), Handler, ioloop=loop)
    county.port = server.address[1]
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            loop.loop(timeout=0.05, blocking=False)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield county
    finally:
        stop.set()
        thread.join()
        server.close_all()
