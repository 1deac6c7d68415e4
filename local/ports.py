"""Free TCP ports on the loopback interface."""

from __future__ import annotations

import contextlib
import socket

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """Return a port that no process listens on now. Another process may take it before the caller does."""
    with contextlib.closing(socket.socket()) as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def preferred_port(wanted: int) -> int:
    """Return ``wanted`` or the first free port of the 99 after it. Raises OSError when none is free."""
    for port in range(wanted, wanted + 100):
        if _is_free(port):
            return port
    raise OSError(f"none of the ports {wanted} to {wanted + 99} is free: stop a program that listens on one of them")


def _is_free(port: int) -> bool:
    # Try every interface, not only the loopback: a server on 0.0.0.0 blocks the port as well. Without SO_REUSEADDR,
    # connections of a server that has just ended would make its port look taken for a minute.
    for address in ("0.0.0.0", LOOPBACK):
        with contextlib.closing(socket.socket()) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
                probe.listen(1)
            except OSError:
                return False
    return True
