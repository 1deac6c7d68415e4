"""Allow only one stack per checkout. Only the process that holds the lock may start services or stop leftover ones."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Iterator

from local.paths import Paths


class AlreadyRunning(Exception):
    """Another ``make demo`` or ``make up`` is running in this checkout; ``pid`` is its process id."""

    def __init__(self, pid: int) -> None:
        super().__init__(
            f"a stack is already running in this checkout (process {pid}): stop it with Ctrl-C or `make clean`"
        )
        self.pid = pid


@contextlib.contextmanager
def hold(places: Paths) -> Iterator[None]:
    """Hold the checkout's lock until the block ends. Raises AlreadyRunning if another process holds the lock.

    The kernel releases the lock when the process dies, even if SIGKILL ends the process. Child processes do not inherit
    the lock.
    """
    with places.lock.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise AlreadyRunning(_holder(places)) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def end_holder(places: Paths, timeout: float = 90.0) -> bool:
    """Ask the process that holds the lock to stop its stack, and wait up to ``timeout`` seconds until the lock is free.

    Return False if no process held the lock.
    """
    pid = running_stack(places)
    if pid is None:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline and running_stack(places) == pid:
        time.sleep(0.2)
    return True


def running_stack(places: Paths) -> int | None:
    """Return the pid of the process that holds the lock, or None if the lock is free."""
    try:
        with hold(places):
            return None
    except AlreadyRunning as running:
        return running.pid


def _holder(places: Paths) -> int:
    for _ in range(20):  # The holder may have taken the lock but not written its pid yet.
        text = places.lock.read_text("utf-8").strip()
        if text:
            return int(text)
        time.sleep(0.05)
    raise RuntimeError(f"{places.lock} is held by an unknown process")
