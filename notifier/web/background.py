"""Applies events in the background, after the web service has answered the callback.

If the process dies before it applies the events, the leader applies them.
"""

from __future__ import annotations

from threading import Event, Lock

from leads.logs import get_logger
from notifier.deliveries import provider_events

log = get_logger(__name__)

_requested = Event()
_applying = Lock()


def apply_events() -> None:
    """Apply stored events. When several callbacks arrive at once, one thread applies the events from all callbacks."""
    _requested.set()
    while _requested.is_set() and _applying.acquire(blocking=False):
        try:
            _requested.clear()
            provider_events.apply()
        except Exception as error:
            log.warning("events_not_applied", error=type(error).__name__, consequence="the leader applies them")
            return
        finally:
            _applying.release()
