"""Responders choose what the assistant says after the greeting of a call.

The setting ``CALL_RESPONDER`` names the responder.
"""

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
    """The wording in a subscriber's script."""

    name: str
    greeting: str
    voicemail: str


@dataclass(frozen=True)
class Turn:
    """A turn of a call, with the words that the other person said.

    ``number`` is the turn's number, counted from 1. ``said`` is empty if the person was silent.
    """

    call_sid: str
    number: int
    said: str
    script: Script
    is_inbound: bool


@dataclass(frozen=True)
class Reply:
    """The assistant's next words, and whether the assistant then ends the call."""

    words: str
    hangs_up: bool = False


class Responder(Protocol):
    """The interface that every responder implements. Many threads share one responder."""

    def reply(self, turn: Turn) -> Reply:
        """Return the reply to ``turn``. This method may take up to ten seconds."""


class ScriptResponder:
    """A responder that thanks the person and asks for more in the first turn, and then says goodbye."""

    def reply(self, turn: Turn) -> Reply:
        """Return the fixed reply to ``turn``."""
        if not turn.said:
            if turn.number == 1:
                return Reply(f"I am sorry, I did not hear you. {turn.script.greeting}")
            return Reply("I still cannot hear you. We will try again another time. Goodbye.", hangs_up=True)
        if turn.number == 1:
            return Reply("Thank you. I will pass that on, and somebody will get back to you. Is there anything else?")
        return Reply("Thank you for your time. Goodbye.", hangs_up=True)


def reply(turn: Turn) -> Reply:
    """Return the configured responder's reply, or the script responder's reply if the configured responder fails."""
    try:
        return responder(settings.call_responder).reply(turn)
    except Exception as error:
        # Log only the exception's type, because its text may quote the person.
        log.error("responder_failed", error=type(error).__name__, call_sid=turn.call_sid, consequence="script used")
        return ScriptResponder().reply(turn)


@cache
def responder(name: str) -> Responder:
    """Import ``module:name``, call it without arguments, and return the responder.

    Raises ImportError or AttributeError.
    """
    module, _, attribute = name.partition(":")
    made: Responder = getattr(import_module(module), attribute)()
    return made
