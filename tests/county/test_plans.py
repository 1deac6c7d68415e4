"""Whatever PostgreSQL believes of its tables, no step compares each row with each other row.

Its statistics are those of the runs before, which may have been small; a plan that is right for ten rows takes hours
for two hundred thousand.
"""

from __future__ import annotations

import re

from bench.plans import explained
from tests.county.court import WEEK, debt, eviction
from tests.county.days import FRIDAY, MONDAY, Pipeline, lis_pendens

ROWS = 1500


def with_parcels(county: Pipeline) -> None:
    county.connection.execute(
        "INSERT INTO properties (folio_number, address, data_source)"
        " SELECT '30' || lpad(n::text, 11, '0'), n || ' SW 8 ST', 'parcel_roll' FROM generate_series(1000, %s) n",
        (1000 + ROWS,),
    )


def address(n: int) -> str:
    return f"{1000 + n} SW 8 ST"


def most_rows_read(county: Pipeline, ingestion_id: int) -> int:
    """Finishes the run; returns the most rows that one node of a plan has read or compared, all its loops together."""
    with explained(county.connection) as plans:
        county.finish(ingestion_id, MONDAY)
    most = loops = 0
    for line in (line for plan in plans for line in plan.lines):
        if node := re.search(r"rows=(\d+)\S* loops=(\d+)", line):
            loops = int(node[2])
            most = max(most, int(node[1]) * loops)
        elif removed := re.search(r"Rows Removed by (?:Join )?Filter: (\d+)", line):
            most = max(most, int(removed[1]) * loops)
    return most


def believe_in_small_runs(county: Pipeline) -> None:
    county.connection.execute("ANALYZE")


def test_a_big_day_after_a_small_one_is_no_comparison_of_each_with_each(county: Pipeline) -> None:
    with_parcels(county)
    county.run(FRIDAY, [lis_pendens(folio="", address=address(0), case_number="")])
    believe_in_small_runs(county)
    day = [lis_pendens(folio="", address=address(n), case_number=f"2026-{n:06d}-CA-01") for n in range(1, ROWS)]
    run = county.stage_documents(MONDAY, day)
    assert most_rows_read(county, run) < 100 * ROWS
    assert county.one("SELECT count(*) FROM leads") == (ROWS,)


def test_a_big_week_after_a_small_one_is_no_comparison_of_each_with_each(county: Pipeline) -> None:
    with_parcels(county)
    county.feed_name = "weekly"
    small = {"Evictions.exp": eviction(address=address(0)).encode(), "Indebtedness.exp": debt().encode()}
    county.finish(county.stage(WEEK, small), WEEK)
    believe_in_small_runs(county)
    cases = [eviction(f"2026-{n:06d}-CC-05", address(n)) for n in range(1, ROWS)]
    run = county.stage(MONDAY, {"Evictions.exp": "\n".join(cases).encode(), "Indebtedness.exp": debt("9").encode()})
    assert most_rows_read(county, run) < 100 * ROWS
    assert county.one("SELECT count(*) FROM leads WHERE lead_type = 'eviction'") >= (ROWS - 1,)
