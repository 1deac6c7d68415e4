"""Redaction for logs and dead letters: messages are reduced to ids, and exceptions to code locations."""

from __future__ import annotations

import inspect
import logging
import re
from collections.abc import Mapping
from typing import Any

import dramatiq
from dramatiq import Message, MessageProxy

#: The names of arguments, mostly ids, that contain no personal data.
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
    """Return a dict of the message's arguments that are ids. The dict's key ``hidden`` counts the other arguments."""
    given = _by_name(message)
    known = {name: value for name, value in given.items() if name in IDS and _is_harmless(value)}
    hidden = len(message.args) + len(message.kwargs) - len(known)
    return known | ({"hidden": hidden} if hidden else {})


def _by_name(message: Message[Any] | MessageProxy) -> Mapping[str, Any]:
    try:
        actor = dramatiq.get_broker().get_actor(message.actor_name)
        return dict(inspect.signature(actor.fn).bind(*message.args, **message.kwargs).arguments)
    except Exception:  # the actor is unknown, or its signature does not allow these arguments
        return dict(message.kwargs)


def _is_harmless(value: Any) -> bool:
    return isinstance(value, int) or (isinstance(value, str) and bool(_HARMLESS.fullmatch(value)))


def hide_arguments(record: logging.LogRecord) -> bool:
    """Replace each Dramatiq message among a log record's arguments with the message's actor name and id.

    The arguments of a Dramatiq message may contain personal data.
    """
    if isinstance(record.args, tuple) and any(isinstance(a, Message | MessageProxy) for a in record.args):
        record.args = tuple(_name(a) if isinstance(a, Message | MessageProxy) else a for a in record.args)
    return True


def _name(message: Message[Any] | MessageProxy) -> str:
    return f"{message.actor_name}({message.message_id})"
