"""Measure the stack's memory as the sum of its processes' proportional set sizes, which count each shared page once."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil  # type: ignore[import-untyped]


def proportional_set_size(sessions: Iterable[int]) -> int:
    """Return how many bytes this process and all processes in ``sessions`` use in total.

    Return 0 on systems without ``/proc/<pid>/smaps_rollup``.
    """
    wanted = set(sessions)
    pids = {os.getpid()}
    for pid in psutil.pids():
        try:
            if os.getsid(pid) in wanted:
                pids.add(pid)
        except (ProcessLookupError, PermissionError):
            continue
    return sum(_process_size(pid) for pid in pids)


def _process_size(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


class PeakMemory:
    """Measures the stack's memory every ``interval`` seconds and keeps the peak.

    ``sessions`` returns the stack's session ids.
    """

    def __init__(self, sessions: Callable[[], Iterable[int]], interval: float = 1.5) -> None:
        self.peak = 0
        self._sessions = sessions
        self._interval = interval
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="peak-memory", daemon=True)

    def start(self) -> None:
        """Start measuring in a background thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop measuring."""
        self._done.set()
        if self._thread.is_alive():
            self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(self._interval):
            self.peak = max(self.peak, proportional_set_size(list(self._sessions())))
