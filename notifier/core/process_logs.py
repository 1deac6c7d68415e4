"""Configures the logs of the notifier's processes: the common format, and ids instead of messages."""

from __future__ import annotations

from leads import logs
from notifier.core.redaction import hide_arguments
from notifier.core.settings import NotifierSettings

log = logs.get_logger(__name__)


def configure_logs() -> None:
    """Set the common log format for this process, and report malformed settings."""
    logs.configure(hide_arguments)
    for problem in NotifierSettings.problems():
        log.error("setting_malformed", problem=problem)
