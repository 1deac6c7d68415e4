"""Addresses that must not be contacted."""

from __future__ import annotations

from notifier.core.db import transaction


def suppress(channel: str, address: str, reason: str) -> None:
    """Suppress an address on a channel. An address that is already suppressed keeps its reason."""
    with transaction() as cursor:
        cursor.execute(
            "INSERT INTO suppressions (channel, address, reason) VALUES (%s, %s, %s)"
            " ON CONFLICT (channel, address) DO NOTHING",
            (channel, address, reason),
        )
