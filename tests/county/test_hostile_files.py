"""A hostile record never stops a run.

Each hostile record is staged or rejected, and all other records are processed.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from county import feeds, parcel_roll, pipeline, runs
from county.errors import IngestionError
from county.fetch import Fetched
from county.layouts import Column, layout
from county.staging import Staged
from tests.county.days import FRIDAY, Pipeline, subscriber
from tests.hostile import HOSTILE_TEXTS

#: Hostile values. Some values contain bytes that PostgreSQL does not allow in text, or bytes that are not valid text.
HOSTILE_BYTES = [
    *(text.encode() for text in HOSTILE_TEXTS if "\n" not in text),
    b"1 NW\x001 ST",
    b"\x00",
    b"\xff\xfe1\x00",
    b"\xed\xa0\x80 surrogate",
    b"\xc0\xaf overlong",
    b"\xf5\x80\x80\x80",
    b"\x81\x8d\x8f\x90\x9d",
    b"se\xf1or \xe2\x80\xae",
    b"\r\r",
    b"A" * 2_000_000,
]

#: Column → a value with which a record can become a lead.
GOOD_VALUES = {
    "party_code": "R",
    "first_party_code": "R",
    "party_name": "DOE JANE",
    "first_party": "DOE JANE",
    "tenant_name": "TENANT TINA",
    "property_owner": "LANDLORD LARRY",
    "defendant_name": "DEBTOR DAVE",
    "plaintiff_name": "FIRST HARBOR BANK",
    "party_type": "DECEDENT",
    "consideration_1": "450000.00",
    "deed_doc_tax": "2700.00",
    "transaction_type": "I",
    "address": "77 BRICKELL AVE",
    "property_address": "77 BRICKELL AVE",
    "TRUE_SITE_ADDR": "77 BRICKELL AVE",
    "YEAR_BUILT": "1951",
}
BY_TYPE = {"date": "11192026", "integer": "1", "folio": "", "money": "", "number": "", "text": "", "code": "X"}
FILES = {"daily": ["Cases.exp", "Parties.exp", "Dockets.exp", "Docktext.exp"], "clerk": ["official_records.exp"]} | {
    "weekly": ["Evictions.exp", "Indebtedness.exp"],
    "monthly": ["Probate.exp", "Verdicts.exp"],
    "roll": ["parcel_roll.csv"],
}
DOCUMENT_CODES = (b"DEE", b"LIS", b"MOR", b"SMO")
#: Addresses of properties that exist before the run. Some have nearly the same street name as a hostile address.
STREETS = ("77 BRICKELL AVE", "1 NW 1 ST", "7 " + "ABCDEFGH" * 24 + " ST", "12 CALLE OCHO", "1 " + "A" * 190 + " ST")

Record = tuple[str, list[bytes]]
"""A file and the values of one of its lines."""


def records(files: Sequence[str], values: Sequence[bytes]) -> Iterator[Record]:
    """For each file, yield four good lines, then one line for each combination of a column and a hostile value."""
    for file in files:
        columns = layout(file)
        for number in range(1, 5):
            yield file, good_line(columns, number, has_folio=True)
        for place, column in enumerate(columns):
            for n, value in enumerate(values, start=1):
                number = 4 + place * len(values) + n
                # A document is matched by address only if it has no folio.
                line = good_line(columns, number, has_folio="address" not in column.name or column.name == "address")
                line[place] = value
                yield file, line


def good_line(columns: Sequence[Column], number: int, *, has_folio: bool) -> list[bytes]:
    """Return the values in a line about document, case or parcel number ``number``."""
    numbered = {
        "cfn_seq": b"%d" % number,
        "key": b"%d" % number,
        "case_number": b"2026-%06d-CA-01" % number,
        "folio_number": b"30%011d" % number if has_folio else b"",
        "FOLIO": b"30%011d" % number,
    }
    if columns[0].name == "cfn_year":
        numbered |= {"case_type": DOCUMENT_CODES[number % 4], "doc_type": DOCUMENT_CODES[number % 4]}
    usual = {column.name: GOOD_VALUES.get(column.name, BY_TYPE[column.type]).encode() for column in columns}
    return [*(usual | {name: value for name, value in numbered.items() if name in usual}).values()]


class HostileRun:
    """Runs records through a feed's steps, rolls back the transactions, and finds the records that stop a run."""

    def __init__(self, county: Pipeline, feed: str) -> None:
        self.county, self.feed = county, feed
        for number, address in enumerate(STREETS, start=1):
            county.connection.execute(
                "INSERT INTO properties (folio_number, address, zip) VALUES (%s, %s, '33130')",
                (f"01{number:011d}", address),
            )
        types = [row[0] for row in county.rows("SELECT lead_type FROM lead_types")]
        subscriber(county, 1_000_000, lead_types=types, channels=["email", "sms"])

    def run(self, lines: Sequence[Record]) -> dict[str, int]:
        """Run ``lines`` from staging to alerts; return the row counts by table. Raises the error that stops the run."""
        files = {name: [line for file, line in lines if file == name] for name in FILES[self.feed]}
        with self.county.connection.transaction(force_rollback=True):
            self.county.connection.execute("SET LOCAL statement_timeout = '30s'")
            staged = self._roll(files["parcel_roll.csv"]) if self.feed == "roll" else self._day(files)
            for name, own in files.items():
                assert staged[name].read == staged[name].staged + staged[name].rejected == len(own), name
            unclear = "SELECT reason FROM rejected_records WHERE reason = 'malformed' OR reason IS NULL"
            assert self.county.rows(unclear) == []
            counted = ("rejected_records", "unmatched_records", "properties", "leads", "deliveries")
            return {table: self.county.one(f"SELECT count(*) FROM {table}")[0] for table in counted}

    def _day(self, files: dict[str, list[list[bytes]]]) -> dict[str, Staged]:
        content = {name: b"\n".join(b"^".join(line) for line in own) for name, own in files.items()}
        self.county.finish(self.county.stage(FRIDAY, content, max_rejected_percent=100), FRIDAY)
        return self.county.counts

    def _roll(self, lines: list[list[bytes]]) -> dict[str, Staged]:
        header = ",".join(column.name for column in layout("parcel_roll.csv")).encode()
        quoted = [[b'"' + value.replace(b'"', b'""') + b'"' for value in line] for line in lines]
        content = b"\n".join([header, *(b",".join(line) for line in quoted)])
        run = runs.open_run(self.county.connection, feeds.PARCEL_ROLL, "roll", FRIDAY)
        runs.record_file(self.county.connection, run, Fetched("parcel_roll.csv", "roll/roll", "sha256:0", len(content)))
        staged = parcel_roll.stage_roll(
            self.county.connection,
            run.feed,
            io.BytesIO(content),
            ingestion_id=run.ingestion_id,
            day=FRIDAY,
            object_name="roll/roll",
            max_rejected_percent=100,
        )
        pipeline.merge(self.county.connection, run)
        runs.close_run(self.county.connection, run.ingestion_id)
        return {"parcel_roll.csv": staged}

    def faults(self, lines: Sequence[Record]) -> list[str]:
        """Return one error message for each record that stops a run."""
        try:
            self.run(lines)
        except (psycopg.Error, IngestionError) as error:
            if len(lines) == 1:
                file, line = lines[0]
                return [f"{file}, {[value[:40] for value in line]}: {error}"]
            half = len(lines) // 2
            return [*self.faults(lines[:half]), *self.faults(lines[half:])] or [f"only together: {error}"]
        return []


@pytest.fixture(params=sorted(FILES))
def hostile(request: pytest.FixtureRequest, county: Pipeline, monkeypatch: pytest.MonkeyPatch) -> HostileRun:
    if request.param == "clerk":
        monkeypatch.setenv("MIAMI_DADE_DAILY_FORMAT", "official_records")
    county.feed_name = "daily" if request.param == "clerk" else request.param
    return HostileRun(county, request.param)


def test_no_hostile_value_in_any_column_stops_a_run(hostile: HostileRun) -> None:
    lines = [*records(FILES[hostile.feed], HOSTILE_BYTES)]
    assert hostile.faults(lines) == []
    came_of_it = hostile.run(lines)
    if hostile.feed == "roll":
        came_of_it |= {"unmatched_records": 1, "leads": 1, "deliveries": 1}
    assert all(came_of_it.values()), came_of_it


ADDRESS = r"[0-9]{1,40}([-./][0-9]{0,20})? ?(NW|SW|#|ST|AVE)? ?[0-9A-Z]{0,20} (ST|AVE RD|TER)"
VALUES = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="\n^")).map(str.encode),
    st.binary(max_size=60).map(lambda value: value.replace(b"\n", b"").replace(b"^", b"")),
    st.from_regex(ADDRESS, fullmatch=True).map(str.encode),
    st.from_regex(r"-?[0-9]{0,400}\.?[0-9]{0,400}", fullmatch=True).map(str.encode),
)


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(values=st.lists(VALUES, min_size=5, max_size=5))
def test_no_value_in_any_column_stops_a_run(hostile: HostileRun, values: list[bytes]) -> None:
    assert hostile.faults([*records(FILES[hostile.feed], values)]) == []
