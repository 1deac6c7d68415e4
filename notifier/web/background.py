"""Work after a callback was answered. If the process dies before it is done, the leader does it."""

from __future__ import annotations

import logging
from threading import Event, Lock

from notifier.deliveries import provider_events

log = logging.getLogger(__name__)

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
            log.warning("Events are stored but not applied (%s): the leader applies them", type(error).__name__)
            return
        finally:
            _applying.release()
