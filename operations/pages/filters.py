"""Values from the address bar. Everybody can write anything there."""

from __future__ import annotations

from collections.abc import Collection


class BadFilter(ValueError):
    """A value in the address is not one that the page knows. The message says which value, and what is possible."""


def one_of(name: str, value: str | None, allowed: Collection[str], default: str) -> str:
    """Return ``value`` if it is allowed, ``default`` if it is missing; raise BadFilter otherwise."""
    if not value:
        return default
    if value not in allowed:
        raise BadFilter(f"{name} must be one of: {', '.join(allowed)}.")
    return value


def optional_id(name: str, value: str | None) -> int | None:
    """Return an id from the address, or None if it is missing; raise BadFilter if it is no id."""
    if not value:
        return None
    if not (value.isascii() and value.isdigit() and len(value) < 19):
        raise BadFilter(f"{name} must be a whole number.")
    return int(value)
