"""Checks the token ledger: compares balances with entries, and token holds with deliveries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg

from leads.alert import alert
from notifier.core.db import records


@dataclass(frozen=True)
class Finding:
    """A contradiction in the ledger: a description of the problem, and the kind and id of the row."""

    problem: str
    subject: str
    subject_id: int


def check(connection: psycopg.Connection[Any]) -> list[Finding]:
    """Return all contradictions in the ledger. The check reads a single snapshot of the database.

    The list is empty if balances, entries and deliveries agree.
    """
    with connection.transaction(), connection.cursor() as cursor:
        return records(cursor, Finding, "deliveries/check_ledger")


def watch(connection: psycopg.Connection[Any]) -> None:
    """Check the ledger, keep the number of problems as a metric, and alert on-call if there are any."""
    found = check(connection)
    with connection.transaction():
        connection.execute("DELETE FROM metric_changes WHERE metric = 'ledger_drift'")
        connection.execute(
            "INSERT INTO metric_changes (metric, labels, change) VALUES ('ledger_drift', '{}', %s)", (len(found),)
        )
    if found:
        first = found[0]
        alert(
            "critical",
            "The token ledger does not add up",
            f"{len(found)} problems; the first: {first.problem} ({first.subject} {first.subject_id}).",
            "Run `python -m notifier ledger check`. Add adjust or refund entries; never change existing entries.",
            cause="ledger drift",
        )
