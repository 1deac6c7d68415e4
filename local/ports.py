"""Find free TCP ports on the loopback interface."""

from __future__ import annotations

import contextlib
import socket

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """Return a port on which no process is listening. Another process may take the port before the caller does."""
    with contextlib.closing(socket.socket()) as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def preferred_port(wanted: int) -> int:
    """Return the port ``wanted``, or the next free port if ``wanted`` is taken.

    Raises OSError if the next 99 ports are also taken.
    """
    for port in range(wanted, wanted + 100):
        if _is_free(port):
            return port
    raise OSError(f"none of the ports {wanted} to {wanted + 99} is free: stop a program that listens on one of them")


def _is_free(port: int) -> bool:
    # Also test 0.0.0.0, because a server that listens on all interfaces also blocks the port on the loopback interface.
    # Without SO_REUSEADDR, a port would look taken for a minute after its server has stopped.
    for address in ("0.0.0.0", LOOPBACK):
        with contextlib.closing(socket.socket()) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
                probe.listen(1)
            except OSError:
                return False
    return True
