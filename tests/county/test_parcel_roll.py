"""The parcel roll updates some columns of a property, but not the facts that come from documents."""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import Request

import pytest

from county import feeds, parcel_roll, pipeline, runs
from county.archive import FileArchive
from county.errors import EmptyFile, IngestionError, MissingFile, PermanentIngestionError, SkipRun
from county.fetch import Fetched
from county.settings import settings
from leads.settings import InvalidSetting
from tests.county.court import KINDS, WEEK, Court
from tests.county.days import FOLIO, FRIDAY, OTHER_FOLIO, THURSDAY, Pipeline, deed
from tests.servers.postgres import Database

ROLL_DAY = date(2026, 11, 15)
FEED = feeds.PARCEL_ROLL
HOUSE: dict[str, Any] = {
    "FOLIO": FOLIO,
    "TRUE_SITE_ADDR": "1234 SW 8 ST",
    "TRUE_SITE_UNIT": "",
    "TRUE_SITE_CITY": "Miami",
    "TRUE_SITE_ZIP_CODE": "33135-1200",
    "TRUE_OWNER1": "OLGA OWNER, TRUSTEE",
    "ASSESSED_VAL_CUR": "312000",
    "YEAR_BUILT": "1951",
    "BEDROOM_COUNT": "3",
    "BATHROOM_COUNT": "2.5",
    "BUILDING_HEATED_AREA": "1480",
    "LOT_SIZE": "10890",
    "DOR_DESC": "RESIDENTIAL - SINGLE FAMILY : 1 UNIT",
    "CONDO_FLAG": "N",
    "PARENT_FOLIO": "",
}
HEADER = list(HOUSE)


def parcel(folio: str = FOLIO, **columns: Any) -> dict[str, Any]:
    return HOUSE | {"FOLIO": folio} | columns


def as_csv(*parcels: dict[str, Any], header: list[str] = HEADER) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, header, extrasaction="ignore", restval="x")
    writer.writeheader()
    writer.writerows(parcels)
    return text.getvalue().encode()


class Roll(Pipeline):
    """Loads a parcel roll in the same steps as the DAG's tasks."""

    def load(self, content: bytes, day: date = ROLL_DAY) -> dict[str, Any]:
        run = runs.open_run(self.connection, FEED, f"roll-{next(_numbers)}", day)
        name = f"roll/{day}/parcel_roll.csv"
        runs.record_file(self.connection, run, Fetched("parcel_roll.csv", name, "sha256:0", len(content)))
        self.counts["stage"] = parcel_roll.stage_roll(
            self.connection,
            FEED,
            io.BytesIO(content),
            ingestion_id=run.ingestion_id,
            day=day,
            object_name=name,
            max_rejected_percent=1,
        )
        counts = pipeline.merge(self.connection, run)
        runs.close_run(self.connection, run.ingestion_id)
        return counts

    def row(self, folio: str = FOLIO, columns: str = "*") -> tuple[Any, ...]:
        return self.one(f"SELECT {columns} FROM properties WHERE folio_number = %s", folio)


_numbers = iter(range(1, 10_000))


@pytest.fixture
def rolls(database: Database) -> Roll:
    return Roll(database.connection)


def test_a_parcel_becomes_a_property_but_does_not_count_as_a_cached_lookup(rolls: Roll) -> None:
    assert rolls.load(as_csv(parcel())) == {"created": 1, "updated": 0, "leads_revalued": 0}
    columns = (
        "address, unit, city, zip, owner_name, assessed_value, year_built, bedrooms, bathrooms, building_sqft,"
        " lot_size_acres, property_type, data_source, last_updated, roll_updated_at IS NOT NULL, address_key"
    )
    assert rolls.row(columns=columns) == (
        *("1234 SW 8 ST", None, "Miami", "33135-1200", "OLGA OWNER, TRUSTEE", 312_000, 1951, 3, 2.5, 1480, 0.25),
        *("single_family", "parcel_roll", None, True, "1234|SW|8|ST"),
    )
    log = "ingestion_type, status, records_processed, records_rejected, new_properties, updated_properties"
    assert rolls.one(f"SELECT {log} FROM data_ingestion_logs") == ("property_roll", "success", 1, 0, 1, 0)


def test_facts_from_documents_stay_and_the_address_is_the_rolls(rolls: Roll) -> None:
    sold = deed(THURSDAY, "DOE JANE", address="1 WRONG WAY")
    Pipeline(rolls.connection).run(FRIDAY, [sold])
    known = "owner_name, last_sale_date, last_sale_price, last_transaction_type, last_updated"
    before = rolls.row(columns=known)
    assert rolls.load(as_csv(parcel()))["updated"] == 1
    assert rolls.row(columns=known) == before
    assert before[0] == "DOE JANE"
    Pipeline(rolls.connection).run(date(2026, 11, 23), [deed(FRIDAY, "ROE RAY", address="2 WRONG WAY")])
    assert rolls.row(columns="owner_name, address, assessed_value") == ("ROE RAY", "1234 SW 8 ST", 312_000)


def test_the_same_roll_again_writes_no_row_and_a_new_one_only_what_changed(rolls: Roll) -> None:
    rolls.load(as_csv(parcel(), parcel(OTHER_FOLIO)))
    before = rolls.row_versions()
    assert rolls.load(as_csv(parcel(), parcel(OTHER_FOLIO)))["updated"] == 0
    assert rolls.load(as_csv(parcel(), parcel(OTHER_FOLIO)), day=date(2026, 12, 15))["updated"] == 0
    assert rolls.row_versions() == before
    changed = parcel(OTHER_FOLIO, ASSESSED_VAL_CUR="1", YEAR_BUILT="0")
    assert rolls.load(as_csv(parcel(), changed), day=date(2026, 12, 15))["updated"] == 1
    assert rolls.row(OTHER_FOLIO, "assessed_value, year_built") == (1, 1951), "a blank in the roll keeps the old value"


def test_an_older_roll_changes_nothing(rolls: Roll) -> None:
    rolls.load(as_csv(parcel()), day=ROLL_DAY)
    parcel_roll.refuse_older(rolls.connection, FEED, ROLL_DAY)
    with pytest.raises(SkipRun, match="2026-11-15 is already loaded"):
        parcel_roll.refuse_older(rolls.connection, FEED, date(2026, 10, 15))


def test_the_equity_of_open_leads_is_recalculated(rolls: Roll) -> None:
    court = Court(rolls.connection)
    court.add_property(mortgage_balance=12_000)
    court.file(KINDS[0], WEEK, KINDS[0].line(), KINDS[0].line("2026-000102-CC-05", "77 NE 64 TER"))
    court.connection.execute("UPDATE leads SET lead_score = 61")
    assert rolls.load(as_csv(parcel()))["leads_revalued"] == 1
    assert rolls.one("SELECT estimated_equity, lead_score FROM leads") == (300_000, 61)
    assert rolls.load(as_csv(parcel()))["leads_revalued"] == 0
    court.file(KINDS[0], date(2026, 11, 30))
    assert rolls.one("SELECT count(*) FROM leads") == (1,)
    rolls.load(as_csv(parcel(), parcel(OTHER_FOLIO, TRUE_SITE_ADDR="77 NE 64 TER")))
    court.file(KINDS[0], date(2026, 12, 7))
    assert rolls.one("SELECT count(*) FROM leads") == (2,), "the unmatched case is matched to the roll's property"


@pytest.mark.parametrize(
    ("description", "property_type"),
    [
        ("RESIDENTIAL - TOTAL VALUE : CONDOMINIUM - RESIDENTIAL", "condominium"),
        ("RESIDENTIAL - SINGLE FAMILY : TOWNHOUSE", "townhouse"),
        ("MULTIFAMILY 2-9 UNITS : 2 LIVING UNITS", "multifamily"),
        ("VACANT RESIDENTIAL : VACANT LAND", "vacant_land"),
        ("STORE : RETAIL OUTLET", "commercial"),
        ("WAREHOUSE OR STORAGE : WAREHOUSE", "industrial"),
        ("SOMETHING NEW", "other"),
        ("", None),
    ],
)
def test_land_uses_become_property_types(rolls: Roll, description: str, property_type: str | None) -> None:
    assert rolls.one("SELECT property_type(nullif(%s, ''))", description) == (property_type,)


def test_a_reference_folio_has_no_owner(rolls: Roll) -> None:
    rolls.load(as_csv(parcel(DOR_DESC="REFERENCE FOLIO")))
    assert rolls.row(columns="owner_name, property_type") == (None, "reference")


def test_bad_lines_are_kept_with_number_and_reason(rolls: Roll) -> None:
    good = as_csv(*[parcel(f"30{n:011d}") for n in range(1, 500)])
    bad = as_csv(parcel("0000000000000"), parcel("123"), parcel(YEAR_BUILT="old"))
    lines = [*good.splitlines(), *bad.splitlines()[1:], b'01,"no end']
    rolls.load(b"\n".join(lines))
    assert rolls.rows("SELECT line_number, reason FROM rejected_records WHERE feed = 'roll' ORDER BY 1") == [
        (501, "FOLIO is not a folio of 13 digits"),
        (502, "FOLIO is not a folio of 13 digits"),
        (503, "YEAR_BUILT is not a number"),
        (504, "1 fields instead of 15"),
    ]
    kept = rolls.rows("SELECT raw_line FROM rejected_records ORDER BY line_number")
    assert kept == [(line.decode(),) for line in lines[500:]], "rejected lines are stored unchanged"
    assert rolls.one("SELECT records_processed, records_rejected FROM data_ingestion_logs") == (499, 4)
    assert rolls.one("SELECT count(*) FROM properties") == (499,)


def test_columns_are_found_by_name_and_a_folio_counts_with_its_last_line(rolls: Roll) -> None:
    header = ["OBJECTID", *reversed(HEADER), "MORE"]
    content = as_csv(parcel("01-3123-045-0670", YEAR_BUILT="1900"), parcel(TRUE_OWNER1="Peña^Díaz"), header=header)
    rolls.load(b"\xef\xbb\xbf" + content.decode().encode("utf-8"))
    assert rolls.row(columns="owner_name, year_built") == ("Peña Díaz", 1951)
    with pytest.raises(PermanentIngestionError, match="lacks LOT_SIZE"):
        rolls.load(as_csv(parcel(), header=[name for name in HEADER if name != "LOT_SIZE"]))


@contextmanager
def county_site(
    answer: bytes, status: int = 200, length: int | None = None, location: str | None = None
) -> Iterator[str]:
    """Start a web server that returns ``answer`` as the parcel roll; yield the server's URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer) if length is None else length))
            if location is not None:
                self.send_header("Location", location)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *arguments: Any) -> None:
            """Do not log requests."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/parcel_roll.csv"
        finally:
            server.shutdown()
            thread.join()


def fetch(tmp_path: Path, url: str, day: date = ROLL_DAY, today: date = FRIDAY, **more: Any) -> str:
    return parcel_roll.fetch_roll(FEED, day, FileArchive(tmp_path), url, today=today, **more).object_name


def test_the_roll_is_archived_first_and_read_from_there(tmp_path: Path) -> None:
    with county_site(as_csv(parcel())) as url:
        assert fetch(tmp_path, url) == "roll/2026-11-15/parcel_roll.csv"
    assert (tmp_path / "roll/2026-11-15/parcel_roll.csv").read_bytes() == as_csv(parcel())
    assert fetch(tmp_path, "http://127.0.0.1:9/away") == "roll/2026-11-15/parcel_roll.csv"
    with county_site(as_csv(parcel())) as url:
        assert fetch(tmp_path, url, refetch=True) == "roll/2026-11-15/parcel_roll.csv"
    with county_site(as_csv(parcel(), parcel(OTHER_FOLIO))) as url:
        assert fetch(tmp_path, url, refetch=True) == "roll/2026-11-15/parcel_roll.csv.r2"
    assert fetch(tmp_path, "") == "roll/2026-11-15/parcel_roll.csv.r2"


@pytest.mark.parametrize(
    ("answer", "status", "length", "error"),
    [
        (b"", 404, None, PermanentIngestionError),
        (b"", 503, None, IngestionError),
        (b"<html>sign in</html>", 200, None, PermanentIngestionError),
        (as_csv(), 200, None, EmptyFile),
        (as_csv(parcel()), 200, 100_000, IngestionError),
    ],
)
def test_an_incomplete_roll_is_never_archived(
    tmp_path: Path, answer: bytes, status: int, length: int | None, error: type[Exception]
) -> None:
    with county_site(answer, status, length) as url, pytest.raises(error):
        fetch(tmp_path, url)
    assert not (tmp_path / "roll").exists()


def test_the_newest_roll_is_never_filed_under_another_month(tmp_path: Path) -> None:
    with county_site(as_csv(parcel())) as url, pytest.raises(MissingFile, match="only the newest roll"):
        fetch(tmp_path, url, day=date(2026, 10, 15))
    with pytest.raises(MissingFile, match="PARCEL_ROLL_URL is not set"):
        fetch(tmp_path, "")


def test_the_roll_is_read_from_web_addresses_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    local = tmp_path / "parcel_roll.csv"
    local.write_bytes(as_csv(parcel()))
    for url in (local.as_uri(), "ftp://127.0.0.1/parcel_roll.csv", "data:text/csv,x", "http:///x", str(local)):
        with pytest.raises(PermanentIngestionError, match="set it to an http:// or https:// address"):
            fetch(tmp_path / "archive", url)
        if not url.startswith("http"):
            monkeypatch.setenv("PARCEL_ROLL_URL", url)
            with pytest.raises(InvalidSetting, match="http:// or https://"):
                _ = settings.parcel_roll_url
    assert not (tmp_path / "archive").exists()


@pytest.mark.parametrize("location", ["ftp://127.0.0.1/parcel_roll.csv", "file:///etc/hostname", "data:text/csv,x"])
def test_a_redirect_to_another_scheme_is_not_followed(tmp_path: Path, location: str) -> None:
    with county_site(b"", 302, location=location) as url, pytest.raises(PermanentIngestionError):
        fetch(tmp_path, url)
    assert not (tmp_path / "roll").exists()


def test_a_redirect_inside_http_is_followed(tmp_path: Path) -> None:
    with county_site(as_csv(parcel())) as target, county_site(b"", 302, location=target) as url:
        assert fetch(tmp_path, url) == "roll/2026-11-15/parcel_roll.csv"


def test_a_redirect_from_https_to_http_is_not_followed() -> None:
    request = Request("https://county.example/parcel_roll.csv")
    with pytest.raises(ValueError, match="not encrypted"):
        parcel_roll._SameScheme().redirect_request(request, None, 302, "", {}, "http://county.example/roll.csv")
