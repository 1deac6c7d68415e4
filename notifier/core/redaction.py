"""What may be written down of a message or an exception: ids and places, nobody's data."""

from __future__ import annotations

import inspect
import logging
import re
from collections.abc import Mapping
from typing import Any

import dramatiq
from dramatiq import Message, MessageProxy

from notifier.core.errors import where

#: Arguments that name a thing and tell nothing of a person.
IDS = frozenset(
    {
        "subscriber_id",
        "lead_id",
        "delivery_id",
        "script_id",
        "request_id",
        "lookup_id",
        "folio_number",
        "day",
        "week_start",
        "days_remaining",
        "call_sid",
        "stripe_charge_id",
        "severity",
        "bytes",
    }
)
_HARMLESS = re.compile(r"[A-Za-z0-9_:-]{1,40}")


def ids_of(message: Message[Any] | MessageProxy) -> dict[str, Any]:
    """The arguments of a message that are ids, by name; of the others only how many there are."""
    given = _by_name(message)
    known = {name: value for name, value in given.items() if name in IDS and _is_harmless(value)}
    hidden = len(message.args) + len(message.kwargs) - len(known)
    return known | ({"hidden": hidden} if hidden else {})


def _by_name(message: Message[Any] | MessageProxy) -> Mapping[str, Any]:
    try:
        actor = dramatiq.get_broker().get_actor(message.actor_name)
        return dict(inspect.signature(actor.fn).bind(*message.args, **message.kwargs).arguments)
    except Exception:  # nobody's actor, or not its arguments
        return dict(message.kwargs)


def _is_harmless(value: Any) -> bool:
    return isinstance(value, int) or (isinstance(value, str) and bool(_HARMLESS.fullmatch(value)))


def redact(record: logging.LogRecord) -> bool:
    """A filter of the workers' log: messages by their ids, exceptions by type and place."""
    if isinstance(record.args, tuple) and any(isinstance(a, Message | MessageProxy) for a in record.args):
        record.args = tuple(_named(a) if isinstance(a, Message | MessageProxy) else a for a in record.args)
    if record.exc_info and record.exc_info[1] is not None:
        record.msg, record.args = f"{record.getMessage()} [{where(record.exc_info[1])}]", None
        record.exc_info, record.exc_text = None, None
    return True


def _named(message: Message[Any] | MessageProxy) -> str:
    return f"{message.actor_name}({message.message_id})"
