"""Adds a message's ids to every line that is logged while a worker processes the message."""

from __future__ import annotations

from typing import Any

from dramatiq import MessageProxy
from dramatiq.middleware import Middleware
from structlog.contextvars import bind_contextvars, clear_contextvars

from leads.logs import get_logger
from leads.settings import InvalidSetting
from notifier.core.process_logs import configure_logs

log = get_logger(__name__)


class LogContext(Middleware):
    """Configures a worker process's logs, and adds the queue, actor and message id to its log lines."""

    def after_process_boot(self, broker: Any) -> None:
        """Replace the log format that Dramatiq configured. Ends the process if its settings are not safe."""
        try:
            configure_logs()
        except InvalidSetting as unsafe:
            log.critical("worker_refused", problem=str(unsafe))
            raise SystemExit(1) from unsafe  # Dramatiq would catch other exceptions and only log them

    def before_process_message(self, broker: Any, message: MessageProxy) -> None:
        """Bind the message's ids in the worker's thread."""
        bind_contextvars(queue=message.queue_name, actor=message.actor_name, message_id=message.message_id)

    def after_process_message(
        self, broker: Any, message: MessageProxy, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        """Unbind the message's ids before the thread processes another message."""
        clear_contextvars()

    def after_skip_message(self, broker: Any, message: MessageProxy) -> None:
        """Unbind the ids of a message that was skipped."""
        clear_contextvars()
