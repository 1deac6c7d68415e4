"""Shares one read among all callers, for pages that need no token."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from fastapi import HTTPException
from fastapi.concurrency import run_in_threadpool

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Runs ``read`` in a thread. All callers that ask while ``read`` is running share the result.

    Anybody can request the pages that need no token. Even while the database stalls, each page that uses this class
    occupies only one thread, however many requests arrive.
    """

    def __init__(self, read: Callable[[], T], timeout: float) -> None:
        self._read = read
        self._timeout = timeout
        self._reading: asyncio.Task[T] | None = None

    async def __call__(self) -> T:
        """Return what ``read`` returns. Responds with 503 after ``timeout`` seconds, but lets the read continue."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.ensure_future(run_in_threadpool(self._read))
            self._reading.add_done_callback(_ignore_error)
        try:
            async with asyncio.timeout(self._timeout):
                return await asyncio.shield(self._reading)
        except TimeoutError:
            raise HTTPException(503, "reading the data takes too long; try again", {"Retry-After": "5"}) from None


def _ignore_error(reading: asyncio.Task[T]) -> None:
    """Mark the task's exception as retrieved, so that asyncio does not log it when every caller has stopped waiting."""
    if not reading.cancelled():
        reading.exception()
