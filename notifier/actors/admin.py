"""The actor ``admin_alert``, which the app uses to alert on-call through the queue ``admin-alerts``."""

from __future__ import annotations

import inspect
import json
from typing import Any

import dramatiq

from leads.alert import alert
from leads.logs import get_logger
from leads.settings import MissingSetting
from notifier.broker.wakeups import push
from notifier.core import encryption
from notifier.core.queues import ADMIN

log = get_logger(__name__)


class AdminActor(dramatiq.Actor[Any, None]):
    """An actor that alerts on-call.

    An alert may name a person, so the Dramatiq message contains the alert's text in encrypted form. An alert must not
    depend on Redis: if Redis does not accept the message, ``send`` alerts on-call from the caller's process and returns
    None.
    """

    def message_with_options(self, *, args: Any = (), kwargs: Any = None, **options: Any) -> dramatiq.Message[None]:
        """Return the message for an alert, with the alert's text encrypted. Takes ``alert_on_call``'s arguments."""
        texts = inspect.signature(alert_on_call).bind(*args, **(kwargs or {})).arguments
        severity = texts.pop("severity")
        encrypted = encryption.encrypt("alerts", json.dumps(texts))
        return super().message_with_options(kwargs={"severity": severity, "encrypted": encrypted}, **options)

    def send_with_options(self, *, args: Any = (), kwargs: Any = None, delay: Any = None, **options: Any) -> Any:
        """Enqueue an alert, or alert on-call from this process if Redis is down.

        ``delay`` is a timedelta or a number of milliseconds. Returns the Dramatiq message, or None if this process
        alerted on-call. Raises TypeError for wrong arguments.
        """
        given = inspect.signature(alert_on_call).bind(*args, **(kwargs or {}))
        try:
            if delay is not None:
                return super().send_with_options(args=args, kwargs=kwargs, delay=delay, **options)
            message = self.message_with_options(args=args, kwargs=kwargs, **options)
            push(message)
            return message
        except Exception as error:
            log.warning("alert_not_queued", error=type(error).__name__, consequence="this process alerts on-call")
            return alert_on_call(*given.args, **given.kwargs)


def alert_on_call(severity: str, subject: str, message: str, action_required: str) -> None:
    """Alert on-call, at most once an hour for each subject. ``severity`` is ``info``, ``warning`` or ``critical``."""
    alert(severity, subject, message, action_required)


@dramatiq.actor(actor_class=AdminActor, queue_name=ADMIN.queue_name, priority=2, max_retries=5)
def admin_alert(
    severity: str,
    subject: str = "",
    message: str = "",
    action_required: str = "",
    encrypted: str = "",
    sealed: str = "",
) -> None:
    """Alert on-call. ``encrypted`` contains the alert's text in the encrypted form that ``send`` puts into Redis.

    In messages from the previous release, the argument ``encrypted`` is named ``sealed``. The next release can remove
    ``sealed``.
    """
    if not (encrypted := encrypted or sealed):
        alert_on_call(severity, subject, message, action_required)
        return
    try:
        texts = json.loads(encryption.decrypt("alerts", encrypted))
    except (encryption.InvalidToken, MissingSetting):
        texts = {
            "subject": "An alert from the app cannot be decrypted",
            "message": "The app encrypted the alert with a NOTIFIER_SECRET_KEY that this worker does not have.",
            "action_required": "Set the same key for the app and the workers. Find the text of the alert in the app.",
        }
    alert_on_call(severity, **texts)
