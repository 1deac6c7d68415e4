"""Whether the token ledger adds up: every balance with its entries, every hold with its delivery."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg

from leads.alert import alert
from notifier.core.db import records


@dataclass(frozen=True)
class Finding:
    """A contradiction in the ledger: ``problem`` in words, and the kind and id of the row that it concerns."""

    problem: str
    subject: str
    subject_id: int


def check(connection: psycopg.Connection[Any]) -> list[Finding]:
    """Return every contradiction in the ledger as of one moment; none when it adds up."""
    with connection.transaction(), connection.cursor() as cursor:
        return records(cursor, Finding, "deliveries/check_ledger")


def watch(connection: psycopg.Connection[Any]) -> None:
    """Alert on-call when the ledger does not add up."""
    if found := check(connection):
        first = found[0]
        alert(
            "critical",
            "The token ledger does not add up",
            f"{len(found)} findings; the first: {first.problem} ({first.subject} {first.subject_id}).",
            "Run `python -m notifier ledger check`. Correct with adjust or refund entries; never change entries.",
            cause="ledger drift",
        )
