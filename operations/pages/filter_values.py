"""Reads the values of filters from the address bar. Each function raises BadFilter, whose message names the field."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import urlencode

from leads.clock import NEW_YORK
from operations.pages.filters import BadFilter

#: Longer texts are refused. The longest value that anybody searches for is a dedupe key.
LONGEST = 200
_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_LONGEST_WAIT = timedelta(days=3_650)
#: Characters that PostgreSQL cannot store.
_FORBIDDEN = re.compile(r"[\x00\ud800-\udfff]")
_FOLIO = re.compile(r"[0-9]{13}|[0-9]{2}-[0-9]{4}-[0-9]{3}-[0-9]{4}")


def text(values: Mapping[str, str], field: str) -> str | None:
    """Return the value without surrounding spaces; None if it is missing or empty."""
    found = values.get(field, "").strip()
    if len(found) > LONGEST:
        raise BadFilter(f"{field} must be at most {LONGEST} characters long.")
    if _FORBIDDEN.search(found):
        raise BadFilter(f"{field} must not contain the characters NUL or half of a surrogate pair.")
    return found or None


def one_of(values: Mapping[str, str], field: str, allowed: Collection[str]) -> str | None:
    """Return the value, which must be one of ``allowed``."""
    found = several_of(values, field, allowed)
    if len(found) > 1:
        raise BadFilter(f"{field} must be one value.")
    return found[0] if found else None


def several_of(values: Mapping[str, str], field: str, allowed: Collection[str]) -> tuple[str, ...]:
    """Return the values of a list with commas, in the order of ``allowed`` and each of them once."""
    found = {one.strip() for one in (text(values, field) or "").split(",")} - {""}
    if not found <= set(allowed):
        raise BadFilter(f"{field} must be one of: {', '.join(allowed)}.")
    return tuple(one for one in allowed if one in found)


def identifier(values: Mapping[str, str], field: str) -> int | None:
    """Return the id of a row."""
    found = text(values, field)
    if found is None:
        return None
    if not is_id(found):
        raise BadFilter(f"{field} must be a whole number.")
    return int(found)


def is_id(found: str) -> bool:
    """Return whether a text can be the id of a row."""
    return found.isascii() and found.isdigit() and len(found) < 19


def folio(values: Mapping[str, str], field: str) -> str | None:
    """Return the 13 digits of a folio, which may be written with dashes."""
    found = text(values, field)
    if found is None:
        return None
    digits = folio_digits(found)
    if digits is None:
        raise BadFilter(f"{field} must be 13 digits, such as 30-4021-000-0010.")
    return digits


def folio_digits(found: str) -> str | None:
    """Return the 13 digits of a folio, or None if the text is not a folio."""
    return found.replace("-", "") if _FOLIO.fullmatch(found) else None


def day(values: Mapping[str, str], field: str) -> date | None:
    """Return a date, written such as 2026-11-27."""
    found = text(values, field)
    if found is None:
        return None
    try:
        return datetime.strptime(found, "%Y-%m-%d").replace(tzinfo=NEW_YORK).date()
    except ValueError as error:
        raise BadFilter(f"{field} must be a date such as 2026-11-27.") from error


def days(values: Mapping[str, str]) -> tuple[date | None, date | None]:
    """Return the dates of the fields ``since`` and ``until``."""
    since, until = day(values, "since"), day(values, "until")
    if since and until and since > until:
        raise BadFilter("since must not be after until.")
    return since, until


def begin_of(one: date | None) -> datetime | None:
    """Return the moment at which a date begins in New York; None for None."""
    return datetime.combine(one, time(), NEW_YORK).astimezone(UTC) if one else None


def end_of(one: date | None) -> datetime | None:
    """Return the moment at which a date ends in New York; None for None and for the last date of the calendar."""
    return begin_of(one + timedelta(days=1)) if one and one < date.max else None


def wait(values: Mapping[str, str], field: str) -> timedelta | None:
    """Return a duration, written such as 30s, 10m, 2h or 3d."""
    found = text(values, field)
    if found is None:
        return None
    match = re.fullmatch(r"([0-9]{1,9})([dhms])", found)
    length = timedelta(seconds=int(match[1]) * _UNITS[match[2]]) if match else timedelta()
    if not timedelta() < length <= _LONGEST_WAIT:
        raise BadFilter(f"{field} must be a duration such as 30s, 10m, 2h or 3d, and at most {_LONGEST_WAIT.days}d.")
    return length


def write_wait(length: timedelta | None) -> str | None:
    """Return a duration in the largest unit that fits, such as ``2h``; None for None."""
    if length is None:
        return None
    seconds = int(length.total_seconds())
    return next(f"{seconds // size}{unit}" for unit, size in _UNITS.items() if seconds % size == 0)


def query(**values: object) -> str:
    """Return a query string of the values that are set, in their order. Lists are written with commas."""
    written = {name: ",".join(value) if isinstance(value, tuple) else value for name, value in values.items()}
    return urlencode({name: value for name, value in written.items() if value not in (None, "")}, safe=",@:")
