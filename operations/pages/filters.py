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
