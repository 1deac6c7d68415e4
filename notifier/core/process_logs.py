"""The logs of the notifier's processes: the common format, and nothing of a message but its id."""

from __future__ import annotations

from leads import logs
from notifier.core.redaction import hide_arguments
from notifier.core.settings import NotifierSettings

log = logs.get_logger(__name__)


def configure_logs() -> None:
    """Give this process the common format of logs, and report its malformed settings."""
    logs.configure(hide_arguments)
    for problem in NotifierSettings.problems():
        log.error("setting_malformed", problem=problem)
