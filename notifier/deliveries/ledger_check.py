"""Whether the ledger adds up: every balance with its entries, every hold with its delivery."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import dict_row

from leads.alert import alert
from notifier.core.db import rows


@dataclass(frozen=True)
class Finding:
    """Something that must not be: ``problem`` in words, with the id it is about."""

    problem: str
    subject: str
    subject_id: int


def check(connection: psycopg.Connection[Any]) -> list[Finding]:
    """Everything about the ledger that does not add up, in one consistent look; empty when all is well."""
    with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
        found = rows(cursor, "deliveries/check_ledger")
    return [Finding(row["problem"], row["subject"], row["subject_id"]) for row in found]


def watch(connection: psycopg.Connection[Any]) -> None:
    """Tells on-call when the ledger does not add up."""
    if found := check(connection):
        first = found[0]
        alert(
            "critical",
            "The token ledger does not add up",
            f"{len(found)} findings; the first: {first.problem} ({first.subject} {first.subject_id}).",
            "Run `python -m notifier ledger check`; correct with adjust or refund entries, never by changing entries.",
            cause="ledger drift",
        )
