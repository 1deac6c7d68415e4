"""Faults that a test injects into the stand-ins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

ENDINGS = ("answer", "reset", "hang", "trickle")


@dataclass
class Fault:
    """A fault for requests to ``provider`` whose text contains ``match``.

    The fault applies to the next ``times`` such requests (None: to all), or only to every ``every``-th. The stand-in
    waits ``seconds`` and records the request as accepted if ``accept`` is true. Then it does what ``then`` says:
    ``answer`` sends ``status`` and ``body`` (without a status, the usual answer); ``reset`` resets the connection;
    ``hang`` keeps it open for ``seconds`` and closes it without an answer; ``trickle`` sends one byte of an answer now
    and then for ``seconds``.
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
            raise ValueError(f"then is {self.then!r}, but must be one of {', '.join(ENDINGS)}")


class Faults:
    """The faults that are active now. All methods are thread-safe."""

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
        """Return the first fault that applies to the request, or None; count the use."""
        with self._lock:
            for fault in self._faults:
                if fault.provider == provider and fault.match in text and fault.is_next():
                    if fault.times is not None:
                        fault.times -= 1
                        if fault.times <= 0:
                            self._faults.remove(fault)
                    return fault
        return None
