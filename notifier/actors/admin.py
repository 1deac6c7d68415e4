"""The app's door to on-call."""

from __future__ import annotations

import inspect
import json
import logging
from typing import Any

import dramatiq

from leads.alert import alert
from leads.settings import MissingSetting
from notifier.broker.wakeups import push
from notifier.core import encryption
from notifier.core.queues import ADMIN

log = logging.getLogger(__name__)


class AdminActor(dramatiq.Actor[Any, Any]):
    """Sent as usual; with Redis away the alert goes out from the caller's process: on-call must not depend on it.

    Its words may name a person, so they lie encrypted in Redis.
    """

    def message_with_options(self, *, args: Any = (), kwargs: Any = None, **options: Any) -> dramatiq.Message[Any]:
        given = inspect.signature(tell).bind(*args, **(kwargs or {})).arguments
        words = {"severity": given.pop("severity"), "sealed": encryption.encrypt("alerts", json.dumps(given))}
        return super().message_with_options(kwargs=words, **options)

    def send_with_options(self, *, args: Any = (), kwargs: Any = None, delay: Any = None, **options: Any) -> Any:
        given = inspect.signature(tell).bind(*args, **(kwargs or {}))
        try:
            if delay is not None:
                return super().send_with_options(args=args, kwargs=kwargs, delay=delay, **options)
            message = self.message_with_options(args=args, kwargs=kwargs, **options)
            push(message)
            return message
        except Exception as error:
            log.warning("The lane does not take an alert (%s): on-call is told from here", type(error).__name__)
            return tell(*given.args, **given.kwargs)


def tell(severity: str, subject: str, message: str, action_required: str) -> None:
    """Tells on-call; ``severity`` is ``info``, ``warning`` or ``critical``. The same subject once an hour."""
    alert(severity, subject, message, action_required)


@dramatiq.actor(actor_class=AdminActor, queue_name=ADMIN.queue_name, priority=2, max_retries=5)
def admin_alert(
    severity: str, subject: str = "", message: str = "", action_required: str = "", sealed: str = ""
) -> None:
    """As ``tell``; ``sealed`` are the words after ``severity`` as ``send`` puts them into Redis."""
    if not sealed:
        tell(severity, subject, message, action_required)
        return
    try:
        words = json.loads(encryption.decrypt("alerts", sealed))
    except (encryption.InvalidToken, MissingSetting):
        words = {
            "subject": "An alert of the app cannot be read",
            "message": "It was sent with another NOTIFIER_SECRET_KEY than this worker has.",
            "action_required": "Give the app and the workers the same key; look into the app for what it meant.",
        }
    tell(severity, **words)
