"""Who waits for an answer is woken by PostgreSQL: one listening connection a process, opened when first needed."""

from __future__ import annotations

import asyncio
import logging
import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Lock, Thread

import psycopg

from leads import database

log = logging.getLogger(__name__)

CHANNEL = "lookups"
RECONNECT_SECONDS = 0.5
#: How long (s) somebody waits for the connection; without it answers are looked for instead.
START_SECONDS = 2.0


class Listener:
    """Calls the wakers of a folio whenever a question about it has ended; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._wakers: defaultdict[str, set[Callable[[], object]]] = defaultdict(set)
        self._process = 0
        self._stop = Event()
        self.listening = Event()

    @contextmanager
    def registered(self, folio: str, wake: Callable[[], object]) -> Iterator[None]:
        self._start()
        with self._lock:
            self._wakers[folio].add(wake)
        try:
            yield
        finally:
            with self._lock:
                self._wakers[folio].discard(wake)
                if not self._wakers[folio]:
                    del self._wakers[folio]

    def close(self) -> None:
        """Ends the connection; who waits from then on opens a new one."""
        with self._lock:
            self._stop.set()
            self._process = 0

    def _start(self) -> None:
        with self._lock:
            if self._process == os.getpid():
                return
            # Also after a fork, whose child has no thread.
            self._process = os.getpid()
            self._stop = Event()
            self.listening.clear()
            Thread(target=self._listen, args=(self._stop,), name="listener", daemon=True).start()

    def _listen(self, stop: Event) -> None:
        """Connects anew whenever the database was away, and then wakes everybody: an answer may have been missed."""
        while not stop.is_set():
            try:
                with database.connect("listener") as connection:
                    connection.execute(f"LISTEN {CHANNEL}")
                    self.listening.set()
                    for folio in list(self._wakers):
                        self._wake(folio)
                    while not stop.is_set():
                        for notice in connection.notifies(timeout=1):
                            self._wake(notice.payload)
            except (psycopg.Error, OSError) as error:
                if not stop.is_set():
                    log.warning("The listener lost the database (%s), connecting again", type(error).__name__)
            except Exception as error:
                log.error("The listener failed (%s: %s), starting again", type(error).__name__, error)
            stop.wait(RECONNECT_SECONDS)

    def _wake(self, folio: str) -> None:
        with self._lock:
            wakers = list(self._wakers.get(folio, ()))
        for wake in wakers:
            wake()


_listener = Listener()
close = _listener.close


@contextmanager
def waiting_for(folio: str) -> Iterator[Event]:
    """An event that is set whenever a question about ``folio`` has ended, from now on."""
    event = Event()
    with _listener.registered(folio, event.set):
        _listener.listening.wait(START_SECONDS)
        yield event


@contextmanager
def awaiting(folio: str) -> Iterator[asyncio.Event]:
    """As ``waiting_for``, for the running event loop; when the listener has yet to connect, everybody is woken then."""
    event = asyncio.Event()
    loop = asyncio.get_running_loop()
    with _listener.registered(folio, lambda: loop.call_soon_threadsafe(event.set)):
        yield event
