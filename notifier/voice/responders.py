"""What the assistant says on a call after the greeting, turn by turn. ``CALL_RESPONDER`` plugs in another responder."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Protocol

from leads.logs import get_logger
from notifier.core.settings import settings

log = get_logger(__name__)


@dataclass(frozen=True)
class Script:
    """The texts of a subscriber's script."""

    name: str
    greeting: str
    voicemail: str


@dataclass(frozen=True)
class Turn:
    """What the other person said on a call. ``number`` counts turns from 1; ``said`` is empty for silence."""

    call_sid: str
    number: int
    said: str
    script: Script
    is_inbound: bool


@dataclass(frozen=True)
class Reply:
    """What the assistant says next, and whether it then ends the call."""

    words: str
    hangs_up: bool = False


class Responder(Protocol):
    """Replies on all calls. Many threads share one responder, and each reply has ten seconds."""

    def reply(self, turn: Turn) -> Reply:
        """Return what to say after ``turn``."""


class ScriptResponder:
    """Follows the script: thank the person once, ask once more, say goodbye."""

    def reply(self, turn: Turn) -> Reply:
        """Return what the script says after ``turn``."""
        if not turn.said:
            if turn.number == 1:
                return Reply(f"I am sorry, I did not hear you. {turn.script.greeting}")
            return Reply("I still cannot hear you. We will try again another time. Goodbye.", hangs_up=True)
        if turn.number == 1:
            return Reply("Thank you. I will pass that on, and somebody will get back to you. Is there anything else?")
        return Reply("Thank you for your time. Goodbye.", hangs_up=True)


def reply(turn: Turn) -> Reply:
    """Return what the configured responder says, or the script's reply when the responder fails."""
    try:
        return responder(settings.call_responder).reply(turn)
    except Exception as error:
        # The exception's text may quote what the person said.
        log.error("responder_failed", error=type(error).__name__, call_sid=turn.call_sid, consequence="script used")
        return ScriptResponder().reply(turn)


@cache
def responder(name: str) -> Responder:
    """Return the responder that calling ``module:name`` makes; raises ImportError or AttributeError."""
    module, _, attribute = name.partition(":")
    made: Responder = getattr(import_module(module), attribute)()
    return made
