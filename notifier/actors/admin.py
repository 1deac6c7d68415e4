"""The app's door to on-call."""

from __future__ import annotations

import logging
from typing import Any

import dramatiq

from leads.alert import alert
from notifier.bells import put
from notifier.lanes import ADMIN

log = logging.getLogger(__name__)


class AdminActor(dramatiq.Actor[Any, Any]):
    """Sent as usual; with Redis away the alert goes out from the caller's process: on-call must not depend on it."""

    def send_with_options(self, *, args: Any = (), kwargs: Any = None, delay: Any = None, **options: Any) -> Any:
        if delay is not None:
            return super().send_with_options(args=args, kwargs=kwargs, delay=delay, **options)
        message = self.message_with_options(args=args, kwargs=kwargs or {}, **options)
        try:
            put(message)
        except Exception as error:
            log.warning("Redis is away (%s): on-call is told from here", type(error).__name__)
            self.fn(*args, **(kwargs or {}))
        return message


@dramatiq.actor(actor_class=AdminActor, queue_name=ADMIN.queue_name, priority=2, max_retries=5)
def admin_alert(severity: str, subject: str, message: str, action_required: str) -> None:
    """Tells on-call; ``severity`` is ``info``, ``warning`` or ``critical``. The same subject once an hour."""
    alert(severity, subject, message, action_required)
