"""Reads that several browsers share: a page that refreshes itself in ten windows asks the database once."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

from fastapi import Request

T = TypeVar("T")

#: A page that refreshes itself may show what was read at most this many seconds ago.
SHARED_SECONDS = 5.0


class SharedReads(Generic[T]):
    """Keeps the latest result of each read for a few seconds.

    Only automatic refreshes share results. Somebody who opens a page, asks for a refresh or has just acted gets a new
    read, whichever of the api-server's processes answers.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._results: dict[str, tuple[float, T]] = {}

    def get(self, request: Request, name: str, read: Callable[[], T]) -> T:
        """Return the shared result for ``name``, or the result of ``read``. At most one read runs at a time."""
        is_automatic = "hx-request" in request.headers and request.headers.get("cache-control") != "no-cache"
        with self._lock:
            read_at, result = self._results.get(name, (0.0, None))
            if result is None or not is_automatic or time.monotonic() - read_at > SHARED_SECONDS:
                result = read()
                self._results[name] = (time.monotonic(), result)
            return result
