"""Adds the ids of a message to every line that is logged while a worker processes the message."""

from __future__ import annotations

from typing import Any

from dramatiq import MessageProxy
from dramatiq.middleware import Middleware
from structlog.contextvars import bind_contextvars, clear_contextvars

from notifier.core.process_logs import configure_logs


class LogContext(Middleware):
    """Configures a worker process's logs, and binds queue, actor and message id while a message is processed."""

    def after_process_boot(self, broker: Any) -> None:
        """Replace the log format that Dramatiq configured."""
        configure_logs()

    def before_process_message(self, broker: Any, message: MessageProxy) -> None:
        """Bind the message's ids in the worker's thread."""
        bind_contextvars(queue=message.queue_name, actor=message.actor_name, message_id=message.message_id)

    def after_process_message(
        self, broker: Any, message: MessageProxy, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        """Unbind the message's ids, because the thread will process another message."""
        clear_contextvars()

    def after_skip_message(self, broker: Any, message: MessageProxy) -> None:
        """Unbind the ids of a message that was skipped."""
        clear_contextvars()
