"""A gateway between the notifier and a provider.

A test can close the gateway. Like a firewall, the gateway stops forwarding connections that have been idle.
"""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from threading import Thread


class Gateway:
    """Listens on its own port and forwards connections to the port ``target``.

    If a connection is idle for ``forgets_after`` seconds, the gateway silently drops everything sent on it afterwards.
    """

    def __init__(self, target: int, forgets_after: float = 3600.0) -> None:
        self._target, self._forgets_after = target, forgets_after
        with socket.socket() as reserved:
            reserved.bind(("127.0.0.1", 0))
            self.port = int(reserved.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.connections = 0
        self._listener: socket.socket | None = None

    def open(self) -> None:
        """Start accepting connections."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def close(self) -> None:
        """Stop accepting connections."""
        if self._listener is not None:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                self.connections += 1
                server = socket.create_connection(("127.0.0.1", self._target))
                for source, sink in ((client, server), (server, client)):
                    Thread(target=self._forward, args=(source, sink), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
        quiet_since = time.monotonic()
        with suppress(OSError):
            while data := source.recv(65536):
                if time.monotonic() - quiet_since > self._forgets_after:
                    time.sleep(3600)
                quiet_since = time.monotonic()
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
