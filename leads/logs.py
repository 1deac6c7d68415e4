"""Structured log events, and the log format that all programs share.

An event is a constant name and its fields: ``log.warning("delivery_requeued", delivery_id=7, code="503")``. Ids that
belong to all events of a thread's current work, such as a request's id, are bound once with ``structlog.contextvars``.

The events go through the standard library's loggers, so a program that imports ``notifier`` as a library decides how
its events are logged. Our own programs call ``configure``, which formats our events and the events of the libraries
that we use in the same way. In an Airflow task, Airflow has already configured structlog, and the events appear in the
task's log.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor

from leads.redaction import mask_personal_data, redact, secrets_of_this_process, where

RecordFilter = Callable[[logging.LogRecord], bool]

if not structlog.is_configured():
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.render_to_log_kwargs,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,  # Airflow may be imported later, and it configures structlog itself
    )


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return the logger of a module."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return logger


def configure(*filters: RecordFilter) -> None:
    """Give every logger of this process the same format: JSON lines, or text when standard error is a terminal.

    Handlers that a library has attached to the root logger keep their stream; uvicorn's own handlers are removed.
    ``filters`` are applied to each record before it is formatted. Safe to repeat.
    """
    root = logging.getLogger()
    handlers = [handler for handler in root.handlers if type(handler) in (logging.StreamHandler, _StandardError)]
    if not handlers:
        handlers = [_StandardError()]
        root.addHandler(handlers[0])
    for handler in handlers:
        handler.setFormatter(formatter(is_terminal=_is_terminal()))
        for record_filter in filters:
            handler.addFilter(record_filter)
    root.setLevel(min(root.level or logging.INFO, logging.INFO))
    for name in ("uvicorn", "uvicorn.access", "uvicorn.error"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True


def formatter(*, is_terminal: bool) -> logging.Formatter:
    """Return the formatter that all programs use; it leaves out secrets, personal data and exception messages."""
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(pad_event_to=0, pad_level=False)
        if is_terminal
        else structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.ExtraAdder(),
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _place_of_exception,
            _Masked(),
            renderer,
        ],
    )


def _place_of_exception(logger: Any, method: str, event: EventDict) -> EventDict:
    """Replace an exception with its type and its place in the code, because its message may contain personal data."""
    found = event.pop("exc_info", None)
    error = found[1] if isinstance(found, tuple) else found if isinstance(found, BaseException) else None
    if error is not None:
        event["exception"] = where(error)
    for repeated in (
        "color_message",
        "message",
        "asctime",
    ):
        event.pop(repeated, None)
    return event


class _Masked:
    """Masks secrets and personal data in the event and in the values of its fields."""

    def __init__(self) -> None:
        self._secrets = secrets_of_this_process()

    def __call__(self, logger: Any, method: str, event: EventDict) -> EventDict:
        return {name: self._masked(value) for name, value in event.items()}

    def _masked(self, value: Any) -> Any:
        if isinstance(value, str):
            return mask_personal_data(redact(value, self._secrets))
        if isinstance(value, dict):
            return {name: self._masked(part) for name, part in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._masked(part) for part in value]
        if value is None or isinstance(value, bool | int | float):
            return value
        return self._masked(str(value))


class _StandardError(logging.StreamHandler[TextIO]):
    """A handler that looks up ``sys.stderr`` for each record, because tests and supervisors may replace the stream."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


def _is_terminal() -> bool:
    """Return whether descriptor 2 is a terminal; Dramatiq may have replaced ``sys.stderr`` with a pipe."""
    try:
        return os.isatty(2)
    except OSError:
        return False
