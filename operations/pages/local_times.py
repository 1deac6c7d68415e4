"""Reads times that operators enter. They are times in New York."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from fastapi import HTTPException

from leads.clock import NEW_YORK, now

#: Nothing is deferred for longer.
LONGEST = timedelta(days=366)
_LOCAL = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?")


def parse_local_time(text: str) -> datetime:
    """Return the moment (UTC) of a time in New York such as ``2026-11-28T08:00``.

    An hour that a change of the clocks repeats means its first passing. Raises HTTPException (422) for a time that is
    not one, that the clocks skip, that has passed, or that is more than a year ahead.
    """
    try:
        local = datetime.fromisoformat(text) if _LOCAL.fullmatch(text) else None
    except ValueError:
        local = None
    if local is None or not 1 < local.year < 9999:
        raise HTTPException(422, "Give a time such as 2026-11-28T08:00.")
    moment = local.replace(tzinfo=NEW_YORK).astimezone(UTC)
    if moment.astimezone(NEW_YORK).replace(tzinfo=None) != local:
        raise HTTPException(422, "The clocks in New York skip this time when they go forward. Give a later one.")
    if moment <= now():
        raise HTTPException(422, "The time has passed. Give a time in the future, in New York's time.")
    if moment > now() + LONGEST:
        raise HTTPException(422, "The time is more than a year ahead. Give an earlier one.")
    return moment


def spoken_time(written: str) -> str:
    """Return a stored moment in New York's time, such as ``Nov 28, 08:00 EST``."""
    local = datetime.fromisoformat(written).astimezone(NEW_YORK)
    return f"{local:%b} {local.day}, {local:%H:%M %Z}"
