"""The ids of a message on every line that is logged while a worker processes it."""

from __future__ import annotations

from typing import Any

from dramatiq import MessageProxy
from dramatiq.middleware import Middleware
from structlog.contextvars import bind_contextvars, clear_contextvars

from notifier.core.process_logs import configure_logs


class LogContext(Middleware):
    """Configures a worker process's logs, and binds queue, actor and message id while a message is processed."""

    def after_process_boot(self, broker: Any) -> None:
        """Replace the format that Dramatiq has set up."""
        configure_logs()

    def before_process_message(self, broker: Any, message: MessageProxy) -> None:
        """Bind the ids in the worker's thread."""
        bind_contextvars(queue=message.queue_name, actor=message.actor_name, message_id=message.message_id)

    def after_process_message(
        self, broker: Any, message: MessageProxy, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        """Forget them: the thread processes another message next."""
        clear_contextvars()

    def after_skip_message(self, broker: Any, message: MessageProxy) -> None:
        """Forget them for a message that was not processed."""
        clear_contextvars()
