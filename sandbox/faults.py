"""What the stand-ins have been told to do wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

ENDINGS = ("answer", "reset", "hang")


@dataclass
class Fault:
    """One instruction for the requests of ``provider`` whose text contains ``match``.

    It applies to the next ``times`` of them (None: all), or only to each ``every``-th. A request waits ``seconds``, is
    recorded as accepted when ``accept`` is true, and then ends: with ``answer`` it gets ``status`` and ``body``
    (without a status, the usual answer); with ``reset`` the connection is reset; with ``hang`` it stays open for
    ``seconds`` and closes without an answer.
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
        """Count a matching request; return whether the fault applies to it."""
        self.seen += 1
        return self.seen % self.every == 0

    def __post_init__(self) -> None:
        if self.then not in ENDINGS:
            raise ValueError(f"then is {self.then!r}: one of {', '.join(ENDINGS)}")


class Faults:
    """The instructions in force; safe to use from several threads."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = Lock()

    def add(self, instruction: Mapping[str, Any]) -> None:
        """Add an instruction. Raises TypeError or ValueError when it is malformed."""
        fault = Fault(**instruction)
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        """Remove all instructions."""
        with self._lock:
            self._faults.clear()

    def take(self, provider: str, text: str) -> Fault | None:
        """Return the first instruction that matches the request, and count the use."""
        with self._lock:
            for fault in self._faults:
                if fault.provider == provider and fault.match in text and fault.is_next():
                    if fault.times is not None:
                        fault.times -= 1
                        if fault.times <= 0:
                            self._faults.remove(fault)
                    return fault
        return None
