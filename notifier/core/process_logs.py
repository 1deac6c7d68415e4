"""Prepares a process.

Sets the log format, replaces Dramatiq messages in logs with their ids, and checks the settings.
"""

from __future__ import annotations

from leads import logs
from notifier.core.redaction import hide_arguments
from notifier.core.settings import NotifierSettings

log = logs.get_logger(__name__)


def configure_logs() -> None:
    """Set the common log format for this process, and report malformed settings.

    Raises InvalidSetting if a setting is a placeholder or a secret is too short, so that the process does not start.
    """
    logs.configure(hide_arguments)
    NotifierSettings.refuse_unsafe()
    for problem in NotifierSettings.problems():
        log.error("setting_malformed", problem=problem)
