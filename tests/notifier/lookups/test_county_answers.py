"""Every answer from the county's API is either stored or makes the lookup fail with a clear error.

The worker uses a bounded amount of memory for each answer.
"""

from __future__ import annotations

import gzip
import json
import math
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from local.paths import ROOT
from notifier.core.errors import OutcomeUnknown, ProviderError
from notifier.providers import county_api
from notifier.providers.county_api import Answer
from tests.hostile import HOSTILE_TEXTS
from tests.notifier.county_api import answer, deed
from tests.servers.postgres import Database

FOLIO = "0131230450670"


@contextmanager
def county_says(body: bytes, **headers: str) -> Iterator[str]:
    """Start a county API that answers every call with ``body``; yield the API's address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None:
            """Print nothing."""

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:
                """The client has read enough."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIAMI_DADE_AUTH_KEY", "secret-key")


def ask(monkeypatch: pytest.MonkeyPatch, body: bytes, **headers: str) -> Answer:
    with county_says(body, **headers) as url:
        monkeypatch.setenv("MIAMI_DADE_API_URL", url)
        return county_api.official_records(FOLIO)


def says(monkeypatch: pytest.MonkeyPatch, rows: Any, **fields: Any) -> Answer:
    return ask(monkeypatch, json.dumps(answer() | {"OfficialRecordList": rows} | fields).encode())


DEEP = b"[" * 10_000 + b"]" * 10_000


@pytest.mark.parametrize(
    ("body", "headers", "code"),
    [
        (b'{"a": "' + b"A" * 17_000_000 + b'"}', {}, "too_large"),
        (gzip.compress(b" " * 400_000_000, 1), {"Content_Encoding": "gzip"}, "too_large"),
        (DEEP, {}, "not_json"),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, {}, "not_json"),
        (b'{"Status": "Successful", "OfficialRecordList": ' + DEEP + b"}", {}, "not_json"),
        (b"9" * 10_000, {}, "not_json"),
        (b"\xff\xfe\x00", {}, "not_json"),
        (b"", {}, "not_json"),
        (b"[]", {}, "not_json"),
        (b"null", {}, "not_json"),
        (b'"Successful"', {}, "not_json"),
        (b"{}", {}, "county_status"),
        (b'{"Status": {"Successful": 1}}', {}, "county_status"),
        (b'{"Status": "Successful\\u0000\\ud800?"}', {}, "county_status"),
    ],
)
def test_an_answer_of_another_form_is_a_clear_error(
    monkeypatch: pytest.MonkeyPatch, body: bytes, headers: dict[str, str], code: str
) -> None:
    with pytest.raises(OutcomeUnknown) as raised:
        ask(monkeypatch, body, **headers)
    assert raised.value.code == code
    assert len(str(raised.value)) < 300


@pytest.mark.parametrize("rows", ["text", 5, {"OfficialRecords": "text"}, {"OfficialRecords": [[1]]}, [1, 2], [None]])
def test_records_that_are_no_objects_are_a_clear_error(monkeypatch: pytest.MonkeyPatch, rows: Any) -> None:
    with pytest.raises(OutcomeUnknown) as raised:
        says(monkeypatch, rows)
    assert raised.value.code == "unexpected_records"


@pytest.mark.parametrize("rows", [None, [], {}, {"OfficialRecords": None}, {"OfficialRecords": []}, {"Other": [1]}])
def test_no_record_is_an_answer_too(monkeypatch: pytest.MonkeyPatch, rows: Any) -> None:
    assert says(monkeypatch, rows) == Answer([], 4_000, 0)


LARGE_ANSWER = """
import resource, sys
from notifier.core.errors import OutcomeUnknown
from notifier.providers import county_api
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    county_api.official_records("0131230450670")
except OutcomeUnknown as error:
    print(error.code, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.parametrize("compress", [False, True])
def test_an_answer_that_is_too_large_takes_little_memory(compress: bool) -> None:
    body = b'{"a": "' + b"A" * 300_000_000
    headers = {"Content_Encoding": "gzip"} if compress else {}
    with county_says(gzip.compress(body, 1) if compress else body, **headers) as url:
        child = subprocess.run(
            [sys.executable, "-c", LARGE_ANSWER],
            env={"PYTHONPATH": str(ROOT), "MIAMI_DADE_API_URL": url, "MIAMI_DADE_AUTH_KEY": "secret-key"},
            capture_output=True,
            text=True,
            check=True,
        )
    code, grown = child.stdout.split()
    assert code == "too_large"
    assert int(grown) < 60


# ── rows ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def stored(database: Database, found: Answer) -> tuple[Any, ...]:
    """Store the answer the way a worker does; return the facts about the property."""
    database.connection.execute("SELECT store_api_records(%s, %s)", (FOLIO, Jsonb(found.records)))
    row = database.connection.execute(
        "SELECT owner_name, last_sale_price::integer FROM properties WHERE folio_number = %s", (FOLIO,)
    ).fetchone()
    return tuple(row or ())


@pytest.mark.parametrize(
    ("side", "first", "second", "owner"),
    [("D", "SELLER SAM", "DOE JANE", "DOE JANE"), ("R", "DOE JANE", "SELLER SAM", "DOE JANE")],
)
def test_the_only_row_of_a_document_names_the_other_party_in_second_party(
    monkeypatch: pytest.MonkeyPatch, database: Database, side: str, first: str, second: str, owner: str
) -> None:
    row = deed(FOLIO)[0] | {"FIRST_PARTY": first, "SECOND_PARTY": second, "PARTY_CODE": side}
    found = says(monkeypatch, {"OfficialRecords": row})
    assert found.rows == 1
    assert {(party["party_code"], party["party_name"]) for party in found.records} == {
        ("D", "SELLER SAM"),
        ("R", "DOE JANE"),
    }
    assert stored(database, found) == (owner, 210_000)


def test_several_rows_of_one_side_name_each_other_party_once(
    monkeypatch: pytest.MonkeyPatch, database: Database
) -> None:
    seller = deed(FOLIO)[0]
    names = ("DOE JANE", "DOE JOHN", "DOE JANE", None, " ")
    rows = [seller | {"SECOND_PARTY": name, "PARTY_SEQUENCE": n} for n, name in enumerate(names, start=1)]
    found = says(monkeypatch, {"OfficialRecords": rows})
    assert found.rows == 5
    assert stored(database, found) == ("DOE JANE; DOE JOHN", 210_000)


def test_second_party_adds_nobody_where_both_sides_have_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row | {"SECOND_PARTY": "SOMEBODY ELSE"} for row in deed(FOLIO, "DOE JANE", "DOE JOHN")]
    assert len(says(monkeypatch, {"OfficialRecords": rows}).records) == 3


HOSTILE_VALUES: list[Any] = [
    *HOSTILE_TEXTS,
    "\0",
    "A\0B",
    "\ud800",
    "2026-13-45T00:00:00",
    "9999-12-31",
    "10000-01-01",
    "0000-00-00",
    *(math.nan, math.inf, -math.inf, 1e300, -1, -1e15, 2**63, 10**400, 0.1, True, False, None),
    *({}, [], {"a": {"b": []}}, [[[]]], [1, "x"]),
]


def test_no_value_of_a_row_stops_a_lookup_and_the_other_rows_are_stored(
    monkeypatch: pytest.MonkeyPatch, database: Database
) -> None:
    good = deed(FOLIO, sequence=1)
    rows = [
        good[0] | {"CFN_SEQ": n, "GROUP_ID": 2, "SECOND_PARTY": "NOBODY"} | {column: value}
        for n, (column, value) in enumerate(
            (column, value) for column in (*good[0], "SECOND_PARTY") for value in HOSTILE_VALUES if column != "DOC_TYPE"
        )
    ]
    for row in rows:
        row["DOC_TYPE"] = "AFF"  # Documents of this type say nothing about the owner.
    monkeypatch.setattr(county_api, "LARGEST_ANSWER", 1 << 30)
    found = says(monkeypatch, {"OfficialRecords": [*rows, *good]})
    assert stored(database, found) == ("DOE JANE", 210_000)
    codes = [good[0] | {"CFN_SEQ": n, "DOC_TYPE": value} for n, value in enumerate(HOSTILE_VALUES)]
    stored(database, says(monkeypatch, {"OfficialRecords": codes}))


@pytest.mark.parametrize("value", HOSTILE_VALUES[-40:])
def test_no_value_beside_the_rows_stops_a_lookup(monkeypatch: pytest.MonkeyPatch, value: Any) -> None:
    found = says(monkeypatch, None, UnitsBalance=value, StatusDesc=value)
    assert found.balance is None or abs(found.balance) < 2**31
    with pytest.raises(ProviderError) as raised:
        says(monkeypatch, None, Status="Failed", UnitsBalance=value, StatusDesc=value)
    assert "\0" not in str(raised.value)
    str(raised.value).encode()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=st.lists(st.dictionaries(st.sampled_from([*deed(FOLIO)[0], "SECOND_PARTY"]), JSON), max_size=3))
def test_any_rows_can_be_stored(database: Database, rows: list[dict[str, Any]]) -> None:
    body = json.loads(json.dumps(answer() | {"OfficialRecordList": {"OfficialRecords": rows}}))
    stored(database, county_api._parse(body, FOLIO, "secret-key"))
