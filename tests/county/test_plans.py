"""No step compares every row with every other row, whatever the table statistics say.

PostgreSQL's statistics come from earlier runs, which may have been small or different. A plan that is good for ten rows
could take hours for two hundred thousand rows.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from typing import Any

import pytest

from bench.plans import explained
from county import pipeline
from sandbox.documents import Document
from tests.county.court import NEXT_WEEK, WEEK, debt, eviction
from tests.county.days import FRIDAY, MONDAY, Pipeline, deed, document, lis_pendens, mortgage, subscriber

ROWS = 1000
ROW_LIMIT = 150 * ROWS
"""Rows that one plan node may read. The limit allows a join of each row with all document types, but not of each row
with every other row."""

NEXT_DAY, THIRD_DAY = MONDAY + timedelta(1), MONDAY + timedelta(2)


def case(n: int) -> str:
    return f"2026-{n:06d}-CA-01"


def folio(n: int) -> str:
    return f"30{n:011d}"


def address(n: int) -> str:
    """Return the address of parcel number ``n`` on the roll."""
    return f"{1000 + n} SW 8 ST"


def unknown(n: int) -> str:
    return f"{1000 + n} NOWHERE RD"


def wanting(address: str, **fields: Any) -> Document:
    """Return a document without a folio, so that its property must be found by address."""
    return lis_pendens(folio="", address=address, **fields)


BEFORE: dict[str, list[Document]] = {
    "nothing": [],
    "one that was found": [wanting(address(0))],
    "some that were not found": [wanting(unknown(9000 + n), case_number="") for n in range(20)],
    "many that name their folio": [deed(folio=folio(9000 + n)) for n in range(300)],
}
"""Description → the documents of an earlier run, which alone determine the planner's statistics."""


@pytest.fixture(params=BEFORE)
def believing(request: pytest.FixtureRequest, either: Pipeline, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    # Several slices, all of them on the connection whose plans are read.
    monkeypatch.setenv("INGESTION_CONNECTIONS", "1")
    monkeypatch.setattr(pipeline, "LARGEST_SLICE", ROWS // 2)
    either.connection.execute(
        "INSERT INTO properties (folio_number, address, data_source)"
        " SELECT '30' || lpad((100000 + n)::text, 11, '0'), 1000 + n || ' SW 8 ST', 'parcel_roll'"
        " FROM generate_series(0, %s) n",
        (ROWS,),
    )
    kinds = ["foreclosure", "new_homeowner", "eviction"]
    subscriber(either, tokens=100 * ROWS, lead_types=kinds, channels=["email", "sms"])
    if BEFORE[request.param]:
        either.run(FRIDAY, BEFORE[request.param])
    either.connection.execute("ANALYZE")
    return either


def is_linear(county: Pipeline, run: Callable[[], object]) -> None:
    """Fail if any plan node reads or compares more than ``ROW_LIMIT`` rows, added up across the node's loops."""
    # Ignore plans that take less than 1 ms, because reading ROW_LIMIT rows takes at least 5 ms. A test produces
    # 70,000 plans, and most of them take less than 1 ms.
    with explained(county.connection, at_least=1) as plans:
        run()
    for plan in plans:
        read, line = plan.most_rows()
        if read > ROW_LIMIT:
            pytest.fail("\n".join([f"{read:,} rows: {line}", *plan.lines]))


def days_are_linear(county: Pipeline, *days: tuple[date, Sequence[Document]]) -> None:
    for day, documents in days:
        is_linear(county, partial(county.run, day, documents))


def test_documents_that_are_found_by_their_address(believing: Pipeline) -> None:
    found = [wanting(address(n), case_number=case(n)) for n in range(1, ROWS)]
    lost = [wanting(unknown(n), case_number="") for n in range(1, ROWS)]
    named = [replace(made, folio=folio(n)) for n, made in enumerate(lost)]
    days_are_linear(
        believing,
        (MONDAY, [*found, *lost]),
        (MONDAY, [*found, *lost]),
        (MONDAY, [*found, *lost, wanting(unknown(0), case_number="")]),
        (NEXT_DAY, named),
        (MONDAY, found),
    )
    with_folio = "SELECT count(folio) FROM recorded_documents WHERE business_date = %s"
    assert believing.one(with_folio, NEXT_DAY) == (ROWS - 1,)
    of_day = "SELECT count(*) FROM leads WHERE business_date = %s"
    # The Clerk's own file contains no addresses.
    matched = ROWS - 1 if os.environ["MIAMI_DADE_DAILY_FORMAT"] == "cases_parties" else 0
    assert (believing.one(of_day, MONDAY), believing.one(of_day, NEXT_DAY)) == ((matched,), (ROWS - 1,))


def test_documents_that_name_their_folio(believing: Pipeline) -> None:
    sales = [deed(folio=folio(n)) for n in range(ROWS)]
    loans = [mortgage(folio=folio(n)) for n in range(ROWS)]
    corrected = [replace(made, consideration="99.00") for made in sales]
    days_are_linear(
        believing,
        (MONDAY, [*sales, *loans]),
        (MONDAY, [*sales, *loans]),
        (MONDAY, sales),
        (NEXT_DAY, corrected),
        (THIRD_DAY, [deed(NEXT_DAY, folio=folio(n)) for n in range(ROWS)]),
        (MONDAY, [*corrected, *loans]),
    )
    assert believing.one("SELECT count(*) FROM properties WHERE last_sale_date = %s", NEXT_DAY) == (ROWS,)


def test_releases_and_sales(believing: Pipeline) -> None:
    begun = [lis_pendens(folio=folio(n), case_number=case(n)) for n in range(ROWS)]
    ended = [document("RLP", MONDAY, ("D", "BANK"), folio=folio(n), case_number=case(n)) for n in range(ROWS)]
    days_are_linear(
        believing,
        (MONDAY, begun),
        (MONDAY, begun),
        (NEXT_DAY, ended),
        (MONDAY, begun[1:]),
        (THIRD_DAY, [deed(NEXT_DAY, folio=folio(n)) for n in range(ROWS)]),
    )
    since = "SELECT count(*) FROM leads l LEFT JOIN deliveries d ON d.lead_id = l.id WHERE l.business_date >= %s"
    assert believing.one(f"{since} AND l.lead_type = 'foreclosure' AND l.status = 'new'", MONDAY) == (0,)
    # Each lis pendens causes an e-mail and a text. Each sale causes only an e-mail.
    assert believing.one(since, MONDAY) == (3 * ROWS,)


@pytest.mark.parametrize("either", ["cases_parties"], indirect=True)
def test_court_files(believing: Pipeline) -> None:
    believing.feed_name = "weekly"

    def run(day: date, place: Callable[[int], str], **fields: str) -> None:
        lines = [eviction(f"2026-{n:06d}-CC-05", place(n), **fields) for n in range(1, ROWS)]
        debts = [debt(f"2026-{n:06d}-SP-05", address(n)) for n in range(1, ROWS)]
        files = {"Evictions.exp": lines, "Indebtedness.exp": debts}
        is_linear(
            believing,
            lambda: believing.finish(
                believing.stage(day, {name: "\n".join(text).encode() for name, text in files.items()}), day
            ),
        )

    run(WEEK, unknown)
    run(WEEK, unknown)
    run(NEXT_WEEK, unknown)
    run(NEXT_WEEK, address)
    run(NEXT_WEEK, address)
    run(NEXT_WEEK + timedelta(7), address, disposition="JUDGMENT")
    assert believing.one("SELECT count(*) FROM leads WHERE lead_type = 'eviction' AND status = 'closed'") == (ROWS - 1,)
