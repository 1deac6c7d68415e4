"""Who speaks on a call after the greeting, turn by turn; ``CALL_RESPONDER`` plugs in another one."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Protocol

from leads import settings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Script:
    """The words of a subscriber's script."""

    name: str
    greeting: str
    voicemail: str


@dataclass(frozen=True)
class Turn:
    """What was said on a call, and the how-manieth time (from 1). ``said`` is empty when nothing was understood."""

    call_sid: str
    number: int
    said: str
    script: Script
    is_inbound: bool


@dataclass(frozen=True)
class Reply:
    """What the assistant says next, and whether it ends the call after that."""

    words: str
    hangs_up: bool = False


class Responder(Protocol):
    """Answers within ten seconds, the time a caller waits at most. One object answers all calls, from many threads."""

    def reply(self, turn: Turn) -> Reply: ...


class ScriptResponder:
    """Speaks the script: thanks once, asks once more, says good-bye."""

    def reply(self, turn: Turn) -> Reply:
        if not turn.said:
            if turn.number == 1:
                return Reply(f"I am sorry, I did not hear you. {turn.script.greeting}")
            return Reply("I still cannot hear you. We will try again another time. Goodbye.", hangs_up=True)
        if turn.number == 1:
            return Reply("Thank you. I will pass that on, and somebody will get back to you. Is there anything else?")
        return Reply("Thank you for your time. Goodbye.", hangs_up=True)


def reply(turn: Turn) -> Reply:
    """What the responder of the settings says; the script's words when it fails, because somebody is on the line."""
    try:
        return responder(settings.text("CALL_RESPONDER", "notifier.voice.responders:ScriptResponder")).reply(turn)
    except Exception as error:
        # Its text may quote what was said.
        log.error("The responder failed (%s), call %s goes on by the script", type(error).__name__, turn.call_sid)
        return ScriptResponder().reply(turn)


@cache
def responder(name: str) -> Responder:
    """The responder that ``module:name`` makes when it is called; raises ImportError or AttributeError for none."""
    module, _, attribute = name.partition(":")
    made: Responder = getattr(import_module(module), attribute)()
    return made
