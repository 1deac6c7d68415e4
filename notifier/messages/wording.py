"""Words and formats that several messages share."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any


def street_address(row: Mapping[str, Any]) -> str:
    """Return the property's address on one line."""
    street = " ".join(filter(None, (row["address"], row["unit"])))
    return ", ".join(filter(None, (street, row["city"])))


def dollars(amount: Decimal | float | None) -> str:
    """Return an amount in US dollars without cents; empty when the amount is not known."""
    if amount is None:
        return ""
    return f"-${-amount:,.0f}" if amount < 0 else f"${amount:,.0f}"


def long_date(day: date) -> str:
    """Return a date as ``November 20, 2026``."""
    return f"{day:%B} {day.day}, {day.year}"
