"""One stack for each checkout: who holds the lock may start, and stop what an earlier holder left behind."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Iterator

from local.paths import Paths


class AlreadyRunning(Exception):
    """Another ``make demo`` or ``make up`` of this checkout is running; ``pid`` is its process."""

    def __init__(self, pid: int) -> None:
        super().__init__(f"a stack of this checkout is running (process {pid}): stop it with Ctrl-C or `make clean`")
        self.pid = pid


@contextlib.contextmanager
def hold(places: Paths) -> Iterator[None]:
    """Holds the checkout's lock. Raises AlreadyRunning when a living process does.

    The kernel lets go of the lock when its holder dies, by SIGKILL too; children do not inherit it.
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
    """Asks the process that holds the lock to stop its stack and waits for it. True when there was one."""
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
    """The process that holds the lock now, if any."""
    try:
        with hold(places):
            return None
    except AlreadyRunning as running:
        return running.pid


def _holder(places: Paths) -> int:
    for _ in range(20):  # it may be between taking the lock and writing its pid
        text = places.lock.read_text("utf-8").strip()
        if text:
            return int(text)
        time.sleep(0.05)
    raise RuntimeError(f"{places.lock} is held by an unknown process")
