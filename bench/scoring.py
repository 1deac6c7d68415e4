"""Measure how long it takes to score a million leads, compared with a plain UPDATE of a table with the same indexes."""

from __future__ import annotations

import time
from collections.abc import Callable

import psycopg

from bench.servers import LEADS, leads_server
from bench.tables import print_table
from county.lead_scoring import score_leads

LEADS_COUNT = 1_000_000

#: The leads cover all types and all ages from 0 to 119 days; one lead in ten is closed.
LOAD = """
INSERT INTO leads (lead_type, lead_date, estimated_equity, engagement_count, status, source_reference)
SELECT (ARRAY['new_homeowner', 'foreclosure', 'eviction', 'indebtedness', 'probate', 'verdict'])[1 + n %% 6],
       new_york_day(now()) - n %% 120, n %% 300000, n %% 9,
       CASE WHEN n %% 10 = 0 THEN 'closed' ELSE 'new' END, n::text
FROM generate_series(1, %(count)s) AS n
"""


def run(scale: float) -> None:
    """Print the seconds for the plain UPDATE, and for scoring when all, none or some of the scores change."""
    count = int(LEADS_COUNT * scale)
    with leads_server() as server, psycopg.connect(server.url(LEADS), autocommit=True) as connection:
        connection.execute(LOAD, {"count": count})
        connection.execute("CREATE TABLE bare_leads (LIKE leads INCLUDING ALL)")
        connection.execute("INSERT INTO bare_leads SELECT * FROM leads")
        steps: list[tuple[str, Callable[[], int]]] = [
            ("bare UPDATE of the open leads", lambda: _bare_update(connection)),
            ("score_leads, every score new", lambda: score_leads(connection)),
            ("score_leads again", lambda: score_leads(connection)),
            ("score_leads, one score in forty new", lambda: score_leads(connection)),
        ]
        rows = []
        for name, step in steps:
            if "forty" in name:  # On a usual day, one score in forty changes.
                connection.execute("UPDATE leads SET lead_score = 0 WHERE id % 40 = 1")
            connection.execute("VACUUM ANALYZE leads, bare_leads")
            connection.execute("CHECKPOINT")
            started = time.perf_counter()
            written = step()
            seconds = time.perf_counter() - started
            rows.append((name, written, seconds, seconds * 1e6 / count))
        print_table(f"scoring {count:,} leads", ["step", "rows written", "seconds", "s per million leads"], rows)


def _bare_update(connection: psycopg.Connection) -> int:
    return connection.execute(
        "UPDATE bare_leads SET lead_score = 1, last_score_update = now() WHERE status IN ('new', 'contacted')"
    ).rowcount
