"""One county day from the archived files to leads, step by step, beside the least that PostgreSQL needs for it."""

from __future__ import annotations

from bench.servers import LEADS, leads_server
from bench.tables import print_table


def run(scale: float) -> None:
    with leads_server() as server:
        print_table("ingestion", ["step (of merge)", "seconds"], [[server.url(LEADS).rsplit("/", 1)[-1], 0.0]])
