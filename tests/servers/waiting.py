"""Wait until a server has started."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable

from local.ports import LOOPBACK
from local.processes import Child, ServiceDied


def wait_for_service(child: Child, is_ready: Callable[[], bool], timeout: float = 30) -> None:
    """Wait until the service is ready.

    If the service ends or takes too long, raise RuntimeError with the last lines of its log.
    """
    deadline = time.monotonic() + timeout
    while not is_ready():
        try:
            child.check()
        except ServiceDied as error:
            raise RuntimeError("\n".join([str(error), *child.last_lines()])) from error
        if time.monotonic() > deadline:
            raise RuntimeError("\n".join([f"{child.name} was not ready within {timeout:.0f} s", *child.last_lines()]))
        time.sleep(0.02)


def wait_for_port(child: Child, port: int, timeout: float = 30) -> None:
    """Wait until the service accepts connections on ``port``.

    Raises RuntimeError if the service ends or takes too long.
    """

    def takes_connections() -> bool:
        with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), 1):
            return True
        return False

    wait_for_service(child, takes_connections, timeout)
