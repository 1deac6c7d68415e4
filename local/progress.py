"""What the user sees in the terminal, how long each step took, and when to stop."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Iterator
from types import FrameType


class Interrupted(Exception):
    """Ctrl-C, SIGTERM or SIGHUP arrived; ``signum`` says which."""

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.signum = signum


class Failure(Exception):
    """A step failed for the reason in the message; ``log`` is the log to read, if there is one."""

    def __init__(self, reason: str, log: object = None) -> None:
        super().__init__(reason)
        self.log = log


class Progress:
    """Prints lines with the time since the start, and records signals.

    A signal is only recorded when it arrives; ``pause``, which every waiting loop calls, raises it. Raised anywhere
    else it could interrupt the moment between the start of a process and its record.
    """

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.steps: list[tuple[str, float]] = []
        self.current = "start"
        self.signals: list[int] = []

    def listen(self) -> None:
        """Record signals from now on instead of ending the program. Main thread only."""
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
        """Return whether a second signal has come, which means: end everything now."""
        return len(self.signals) > 1

    def pause(self, seconds: float) -> None:
        """Sleep. Raises Interrupted when a signal has come, before or after."""
        self.raise_signal()
        time.sleep(seconds)
        self.raise_signal()

    def raise_signal(self) -> None:
        """Raise Interrupted when a signal has come."""
        if self.signals:
            raise Interrupted(self.signals[0])

    def say(self, text: str) -> None:
        # A closed terminal or pipe must not prevent the stack from being stopped.
        """Print a line with the time."""
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
        """Name the step that a failure belongs to, and measure its time."""
        self.current = name
        started = time.monotonic()
        yield
        self.steps.append((name, time.monotonic() - started))
