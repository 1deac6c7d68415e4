"""Measure the peak memory of a task's process and of the PostgreSQL processes that serve it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil  # type: ignore[import-untyped]


def own_peak() -> int:
    """Return the peak resident memory of this process in bytes."""
    return _status_field(Path("/proc/self/status"), "VmHWM")


class BackendPeak:
    """Measures how much private memory a server's backends use in total, and keeps the peak.

    Parallel workers count as backends. The server's other processes (checkpointer, …) do not count, nor do shared
    buffers.
    """

    def __init__(self, server_pid: int, interval: float = 0.02) -> None:
        self.bytes = 0
        self._server = psutil.Process(server_pid)
        self._interval = interval
        self._done = threading.Event()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Measure until the block ends, and store the peak in ``bytes``."""
        self.bytes = 0
        self._done.clear()
        thread = threading.Thread(target=self._watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._done.set()
            thread.join()

    def _watch(self) -> None:
        while not self._done.wait(self._interval):
            self.bytes = max(self.bytes, sum(map(self._anonymous, self._server.children())))

    def _anonymous(self, process: psutil.Process) -> int:
        with suppress(psutil.Error, OSError):
            title = " ".join(process.cmdline())
            if "127.0.0.1" in title or "parallel worker" in title:
                return _status_field(Path(f"/proc/{process.pid}/status"), "RssAnon")
        return 0


def _status_field(status: Path, field: str) -> int:
    """Return a field of a ``/proc`` status file in bytes, or 0 if the file or the field is missing."""
    with suppress(OSError):
        for line in status.read_text("ascii", "replace").splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) * 1024
    return 0
