"""Work after a callback was answered. If the process dies before it is done, the leader does it."""

from __future__ import annotations

from threading import Event, Lock

from leads.logs import get_logger
from notifier.deliveries import provider_events

log = get_logger(__name__)

_requested = Event()
_applying = Lock()


def apply_events() -> None:
    """Apply the stored events. Of several callbacks at once, one applies the events of all."""
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
