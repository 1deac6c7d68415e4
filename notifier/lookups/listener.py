"""Wakes callers that wait for an answer. One PostgreSQL connection listens for notifications."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Lock, Thread

import psycopg

from leads import database
from leads.logs import get_logger

log = get_logger(__name__)

CHANNEL = "lookups"
RECONNECT_SECONDS = 0.5


class Listener:
    """When a lookup of a folio ends, calls the functions that are registered for the folio. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._wakers: defaultdict[str, set[Callable[[], object]]] = defaultdict(set)
        self._process = 0
        self._stop = Event()

    @contextmanager
    def registered(self, folio: str, wake: Callable[[], object]) -> Iterator[None]:
        """During the block, call ``wake`` from the listener's thread whenever a lookup of ``folio`` ends.

        The listener also calls ``wake`` each time it connects, because PostgreSQL does not deliver notifications that
        were sent before the connection listened.
        """
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
        """Close the connection. The next caller opens a new connection."""
        with self._lock:
            self._stop.set()
            self._process = 0

    def _start(self) -> None:
        with self._lock:
            if self._process == os.getpid():
                return
            # A forked child process inherits this object but not the thread, so the child starts its own thread.
            self._process = os.getpid()
            self._stop = Event()
            Thread(target=self._listen, args=(self._stop,), name="listener", daemon=True).start()

    def _listen(self, stop: Event) -> None:
        """Listen for notifications, and reconnect whenever the connection to the database is lost."""
        while not stop.is_set():
            try:
                with database.connect("listener") as connection:
                    connection.execute(f"LISTEN {CHANNEL}")
                    for folio in list(self._wakers):
                        self._wake(folio)
                    while not stop.is_set():
                        for notice in connection.notifies(timeout=1):
                            self._wake(notice.payload)
            except (psycopg.Error, OSError) as error:
                if not stop.is_set():
                    log.warning("database_lost", error=type(error).__name__, consequence="the listener reconnects")
            except Exception as error:
                log.error("listener_failed", error=type(error).__name__, reason=str(error), consequence="restarted")
            stop.wait(RECONNECT_SECONDS)

    def _wake(self, folio: str) -> None:
        with self._lock:
            wakers = list(self._wakers.get(folio, ()))
        for wake in wakers:
            wake()


_listener = Listener()
registered = _listener.registered
close = _listener.close
