"""Faults that tests inject into the stand-ins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

ENDINGS = ("answer", "reset", "hang", "trickle")


@dataclass
class Fault:
    """A fault that affects requests that are sent to ``provider`` and contain the text ``match``.

    The fault applies to every ``every``-th of these requests, and ends after it has applied ``times`` times. If
    ``times`` is None, the fault never ends. If ``accept`` is true, the stand-in records the request as accepted. With
    ``then="answer"``, the stand-in waits ``seconds`` seconds, then sends ``status`` and ``body``, or its usual answer
    if ``status`` is None. With ``then="reset"``, the stand-in waits and then resets the connection. With
    ``then="hang"``, the stand-in keeps the connection open for ``seconds`` seconds and closes it without an answer.
    With ``then="trickle"``, the stand-in sends an answer byte by byte for ``seconds`` seconds.
    """

    provider: str
    then: str = "answer"
    status: int | None = None
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    accept: bool = False
    match: str = ""
    every: int = 1
    seen: int = 0
    times: int | None = None

    def is_next(self) -> bool:
        """Count a matching request; return whether the fault applies to that request."""
        self.seen += 1
        return self.seen % self.every == 0

    def __post_init__(self) -> None:
        if self.then not in ENDINGS:
            raise ValueError(f"then is {self.then!r}, but must be one of {', '.join(ENDINGS)}")


class Faults:
    """The active faults. All methods are thread-safe."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = Lock()

    def add(self, instruction: Mapping[str, Any]) -> None:
        """Add a fault with the fields in ``instruction``. Raises TypeError or ValueError if a field is malformed."""
        fault = Fault(**instruction)
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._faults.clear()

    def take(self, provider: str, text: str) -> Fault | None:
        """Return the first fault that applies to the request, or None.

        Remove a fault that has applied ``times`` times.
        """
        with self._lock:
            for fault in self._faults:
                if fault.provider == provider and fault.match in text and fault.is_next():
                    if fault.times is not None:
                        fault.times -= 1
                        if fault.times <= 0:
                            self._faults.remove(fault)
                    return fault
        return None
