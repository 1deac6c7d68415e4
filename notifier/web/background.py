"""What is done after a callback was answered. It may be lost with the process: the sweeper does it then."""

from __future__ import annotations

import logging
from threading import Event, Lock

from notifier.deliveries import provider_events

log = logging.getLogger(__name__)

_wanted = Event()
_working = Lock()


def apply_events() -> None:
    """Applies the events that are stored; of callbacks that come together one does it for all."""
    _wanted.set()
    while _wanted.is_set() and _working.acquire(blocking=False):
        try:
            _wanted.clear()
            provider_events.apply()
        except Exception as error:
            log.warning("Events are stored and not applied (%s): the sweeper will", type(error).__name__)
            return
        finally:
            _working.release()
