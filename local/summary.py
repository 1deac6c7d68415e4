"""Summarize a demo in numbers from the leads database and the sandbox's counts."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping
from typing import Any

import psycopg

from local.progress import Failure, Progress
from local.settings import Sandbox

ACCEPTED = ("accepted", "sent", "delivered", "undelivered")
"""The states that a delivery can have after its provider has accepted it."""


def delivery_counts(connection: psycopg.Connection) -> dict[str, int]:
    """Return the number of deliveries in each state."""
    rows = connection.execute("SELECT state, count(*) FROM deliveries GROUP BY state").fetchall()
    return {str(state): int(count) for state, count in rows}


def accepted_counts(connection: psycopg.Connection) -> dict[str, int]:
    """Return the number of deliveries that a provider has accepted in each channel."""
    rows = connection.execute(
        "SELECT channel, count(*) FROM deliveries WHERE state = ANY(%s) GROUP BY channel", [list(ACCEPTED)]
    ).fetchall()
    return {str(channel): int(count) for channel, count in rows}


def sandbox_counts(sandbox: Sandbox) -> dict[str, Any]:
    """Return the number of e-mails, texts, … that the sandbox has accepted, by kind."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{sandbox.url}/_sandbox/counts", timeout=10) as response:
        counts: dict[str, Any] = json.load(response)
    return counts


def report(connection: psycopg.Connection, run_id: str, sandbox: Sandbox, progress: Progress, peak_memory: int) -> str:
    """Return the summary as text. Raises Failure if the run has no row in data_ingestion_logs."""
    run = _run_row(connection, run_id)
    leads = connection.execute("SELECT lead_type, count(*) FROM leads GROUP BY lead_type ORDER BY lead_type").fetchall()
    accepted = accepted_counts(connection)
    read = run["records_processed"] + run["records_rejected"]
    lines = [
        ("business date", run["ingestion_date"]),
        ("rows read", f"{read:,}"),
        ("rows rejected", f"{run['records_rejected']:,}"),
        ("properties", f"{run['new_properties']:,} new, {run['updated_properties']:,} updated"),
        ("leads", f"{run['new_leads_generated']:,} new"),
        *[(f"  {lead_type}", f"{count:,}") for lead_type, count in leads],
        ("unmatched records", f"{run['unmatched']:,}"),
        ("e-mails accepted", f"{accepted.get('email', 0):,}"),
        ("texts accepted", f"{accepted.get('sms', 0):,}"),
        ("deliveries by state", _plain(delivery_counts(connection))),
        ("received by the sandbox", _plain(sandbox_counts(sandbox))),
    ]
    times = [(f"  {name}", f"{seconds:6.1f} s") for name, seconds in progress.steps]
    times.append(("  total so far", f"{progress.elapsed:6.1f} s"))
    memory = f"{peak_memory / 2**20:,.0f} MB at the peak" if peak_memory else "not measured on this system"
    rows = [*lines, ("time", ""), *times, ("memory", memory)]
    return "\n".join(["", "Summary", *(f"  {name:<42} {value}" for name, value in rows), ""])


def _run_row(connection: psycopg.Connection, run_id: str) -> dict[str, Any]:
    cursor = connection.execute(
        "SELECT ingestion_date, records_processed, records_rejected, new_properties, updated_properties,"
        " new_leads_generated, unmatched FROM data_ingestion_logs WHERE run_id = %s",
        [run_id],
    )
    row = cursor.fetchone()
    if row is None:
        raise Failure(f"data_ingestion_logs has no row for the run {run_id}")
    names = [column.name for column in cursor.description or []]
    return {name: value if value is not None else 0 for name, value in zip(names, row, strict=True)}


def _plain(counts: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in sorted(counts.items())) or "none"
