"""Print progress to the terminal, time each step, and record signals."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Iterator
from types import FrameType


class Interrupted(Exception):
    """Ctrl-C, SIGTERM or SIGHUP arrived; ``signum`` is the signal's number."""

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.signum = signum


class Failure(Exception):
    """A step failed; the message says why. ``log`` is the log file to read, or None."""

    def __init__(self, reason: str, log: object = None) -> None:
        super().__init__(reason)
        self.log = log


class Progress:
    """Prints progress with the time since the start, and records signals.

    The signal handler only records the signal. Every waiting loop calls ``pause``, which then raises Interrupted. An
    exception anywhere else could leave a process that was started but not recorded.
    """

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.steps: list[tuple[str, float]] = []
        self.current = "start"
        self.signals: list[int] = []

    def listen(self) -> None:
        """From now on, record signals instead of ending the program. Call this only from the main thread."""
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(signum, self._note)

    def _note(self, signum: int, frame: FrameType | None) -> None:
        self.signals.append(signum)

    @property
    def elapsed(self) -> float:
        """Return the seconds since the start."""
        return time.monotonic() - self.started

    @property
    def impatient(self) -> bool:
        """Return whether a second signal has arrived.

        A second signal means that the user does not want to wait for a clean stop.
        """
        return len(self.signals) > 1

    def pause(self, seconds: float) -> None:
        """Sleep for ``seconds``. Raises Interrupted if a signal has arrived before or during the sleep."""
        self.raise_signal()
        time.sleep(seconds)
        self.raise_signal()

    def raise_signal(self) -> None:
        """Raise Interrupted if a signal has arrived."""
        if self.signals:
            raise Interrupted(self.signals[0])

    def say(self, text: str) -> None:
        """Print a line with the time since the start."""
        # Ignore a closed terminal or pipe, so that the stack can still be stopped.
        with contextlib.suppress(OSError, ValueError):
            print(f"[{self.elapsed:6.1f} s] {text}", flush=True)

    def show(self, text: str = "") -> None:
        """Print a line without the time."""
        with contextlib.suppress(OSError, ValueError):
            print(text, flush=True)

    def complain(self, text: str) -> None:
        """Print a line to standard error."""
        with contextlib.suppress(OSError, ValueError):
            print(text, file=sys.stderr, flush=True)

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a step, and remember its name for the error message if it fails."""
        self.current = name
        started = time.monotonic()
        yield
        self.steps.append((name, time.monotonic() - started))
