"""Every line of a file, whatever its content, is either staged or rejected."""

from __future__ import annotations

import csv
import os
import re
import tracemalloc
from collections.abc import Mapping
from datetime import date, timedelta
from io import BytesIO, RawIOBase
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from county import staging
from county.errors import StagingChanged, TooManyRejects
from county.layouts import LAYOUTS, layout, layout_on, plain_line
from county.limits import LONGEST_LINE
from county.lines import BLOCK, copy_blocks
from county.staging import DROP_LOCK, drop_part, partition
from tests.county.days import FRIDAY, MONDAY, Pipeline, deed
from tests.servers.postgres import Database

GOOD = "2026^0000000077^00001^DEE^2026-000777-CA-01^11192026^0131230450670^1 NW 1 ST^MIAMI^33130^450000.00^2700.00^I"
FIELDS = GOOD.split("^")
PARTY = "2026^0000000077^00001^00001^R^DOE JANE^I"

with LAYOUTS.open(encoding="utf-8", newline="") as _rows:
    FILES = sorted({row["file"] for row in csv.DictReader(_rows)})

#: Run the test once with a file whose values staging converts, and once with a file that COPY loads unchanged.
EITHER_FILE = pytest.mark.parametrize(
    ("file", "good", "table"),
    [("Cases.exp", GOOD, "staging_official_records"), ("Parties.exp", PARTY, "staging_parties")],
)


def line(**changes: str) -> str:
    """Return the line GOOD with new values in the columns that ``changes`` names."""
    return changed("Cases.exp", GOOD, changes)


def changed(file: str, good: str, changes: Mapping[str, str]) -> str:
    names = [column.name for column in layout(file)]
    return "^".join(changes.get(name, value) for name, value in zip(names, good.split("^"), strict=True))


def rejects(county: Pipeline) -> list[tuple[int, str, str]]:
    return county.rows("SELECT line_number, reason, raw_line FROM rejected_records ORDER BY line_number")


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (line(cfn_year="20X6"), "cfn_year is not a whole number"),
        (line(cfn_year=""), "cfn_year is not a whole number"),
        (line(cfn_seq="99999999999999999999"), "cfn_seq is not a whole number"),
        (line(file_date="00000000"), "file_date is not a date MMDDYYYY"),
        (line(file_date="02302026"), "file_date is not a date MMDDYYYY"),
        (line(file_date="20261119"), "file_date is not a date MMDDYYYY"),
        (line(case_type=" "), "case_type is missing"),
        (line(folio_number="123"), "folio_number is not a folio of 13 digits"),
        (line(folio_number="01312304506X0"), "folio_number is not a folio of 13 digits"),
        (line(consideration_1="45.00.0"), "consideration_1 is not an amount in dollars"),
        (line(consideration_1="-5"), "consideration_1 is not an amount in dollars"),
        (line(transaction_type="X"), "transaction_type is not one of I, U, D"),
        (line(transaction_type=""), "transaction_type is not one of I, U, D"),
        ("^".join(FIELDS[:5]), "5 fields instead of 13"),
        (GOOD + "^MORE", "14 fields instead of 13"),
        ("garbage", "1 fields instead of 13"),
        (line(property_address="1 NW\x001 ST"), "holds a NUL byte"),
        (line(property_address="A" * 201), "property_address is longer than 200 characters"),
        (line(property_address="É" * 201), "property_address is longer than 200 characters"),
        (line(case_number="7" * 2_800), "case_number is longer than 100 characters"),
        (line(cfn_year="0" * 37 + "2026"), "cfn_year is longer than 40 characters"),
        (line(file_date="1119202600000"), "file_date is longer than 10 characters"),
        (line(file_date="01010000"), "file_date is not a date MMDDYYYY"),
    ],
)
def test_a_malformed_line_is_kept_with_its_reason(county: Pipeline, bad: str, reason: str) -> None:
    content = "\n".join([GOOD, bad, line(cfn_seq="78")]).encode()
    county.stage(FRIDAY, {"Cases.exp": content})
    ((number, why, raw),) = rejects(county)
    assert (number, why) == (2, reason)
    assert raw == bad.replace("\0", "␀")
    staged = county.counts["Cases.exp"]
    assert (staged.read, staged.staged, staged.rejected) == (3, 2, 1)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_encodings_line_ends_control_and_blank_lines(county: Pipeline, end: str, encoding: str) -> None:
    text = [
        "00000000112020260001",
        line(property_address="1 CALLE NUÑEZ"),
        "",
        "   ",
        "nonsense é",
        line(cfn_seq="78", property_address="2 CALLE PEÑA"),
    ]
    county.stage(FRIDAY, {"Cases.exp": end.join(text).encode(encoding)})
    addresses = county.rows("SELECT line_number, property_address FROM staging_official_records ORDER BY line_number")
    assert addresses == [(2, "1 CALLE NUÑEZ"), (6, "2 CALLE PEÑA")]
    assert rejects(county) == [(5, "1 fields instead of 13", "nonsense é")]


@EITHER_FILE
def test_every_line_keeps_its_number_in_the_file(county: Pipeline, file: str, good: str, table: str) -> None:
    odd = good[:-1] + good[-1].lower()  # Lines in lower case are also valid.
    lines = [good, "bad", odd, "", *[good] * 3, "worse", odd, good]
    for _ in range(2):  # A rerun empties and refills the run's partition of the staging table.
        ingestion = county.stage(FRIDAY, {file: "\n".join(lines).encode()}, run_id="cleared")
        assert county.rows(f"SELECT line_number, transaction_type, ingestion_id FROM {table} ORDER BY 1") == [
            (number, "I", ingestion) for number in (1, 3, 5, 6, 7, 9, 10)
        ]
        assert [row[0] for row in rejects(county)] == [2, 8]


def test_a_control_line_counts_only_as_the_first(county: Pipeline) -> None:
    county.stage(FRIDAY, {"Cases.exp": b"\n".join([GOOD.encode(), b"0" * 20])})
    assert [row[0] for row in rejects(county)] == [2]


def test_backslashes_tabs_and_quotes_are_only_text(county: Pipeline) -> None:
    address = 'A \\N "B" \\. \t C\\'
    county.stage(FRIDAY, {"Cases.exp": line(property_address=address).encode()})
    assert county.one("SELECT property_address FROM staging_official_records") == (address,)


def test_padding_is_no_content(county: Pipeline) -> None:
    padded = line(
        cfn_seq="  77 ", case_type="DEE   ", folio_number="000131230450670", consideration_1="0000000000450000.00"
    )
    county.stage(FRIDAY, {"Cases.exp": padded.encode()})
    row = county.one("SELECT cfn_seq, document_code, folio_number, consideration_1::int FROM staging_official_records")
    assert row == (77, "DEE", "0131230450670", 450_000)


def test_a_rerun_replaces_the_days_rejects(county: Pipeline) -> None:
    county.stage(FRIDAY, {"Cases.exp": f"{GOOD}\nbad one\nbad two".encode()})
    county.stage(MONDAY, {"Cases.exp": f"{GOOD}\nother day".encode()})
    county.stage(FRIDAY, {"Cases.exp": f"{GOOD}\nbad one".encode()})
    rows = county.rows("SELECT business_date, raw_line FROM rejected_records ORDER BY 1")
    assert rows == [(FRIDAY, "bad one"), (MONDAY, "other day")]


def test_too_many_rejects_stop_the_run_before_anything_has_changed(county: Pipeline) -> None:
    county.run(FRIDAY, [deed()])
    before = county.row_versions()
    good = "\n".join(line(cfn_seq=str(n)) for n in range(1, 97))
    message = county.fails(MONDAY, {"Cases.exp": f"{good}\na\nb\nc\nd".encode()}, TooManyRejects)
    assert "4 of 100 lines are malformed" in message
    assert "MAX_REJECTED_PERCENT" in message
    assert county.row_versions() == before
    assert county.one("SELECT count(*) FROM rejected_records WHERE business_date = %s", MONDAY) == (4,)


def test_three_bad_lines_are_accepted_even_in_a_small_file(county: Pipeline) -> None:
    county.stage(FRIDAY, {"Cases.exp": f"{GOOD}\na\nb\nc".encode()})
    assert county.counts["Cases.exp"].rejected == 3


def test_the_limit_is_a_percentage_of_the_lines(county: Pipeline) -> None:
    good = "\n".join(line(cfn_seq=str(n)) for n in range(1, 97))
    county.stage(FRIDAY, {"Cases.exp": f"{good}\na\nb\nc\nd".encode()}, max_rejected_percent=4)
    assert county.counts["Cases.exp"].rejected == 4


def test_staging_that_lost_rows_stops_the_run(county: Pipeline) -> None:
    ingestion = county.stage(FRIDAY, {"Cases.exp": GOOD.encode(), "Parties.exp": b"2026^77^1^1^R^DOE JANE^I"})
    county.connection.execute("DELETE FROM staging_parties")
    with pytest.raises(StagingChanged, match="staging_parties holds 0 rows"):
        county.finish(ingestion, FRIDAY)
    assert county.rows("SELECT FROM properties") == []


def test_the_log_counts_what_was_read(county: Pipeline) -> None:
    county.run(FRIDAY, [deed()])
    (day_lines, rejected, status) = county.one(
        "SELECT records_processed, records_rejected, status FROM data_ingestion_logs"
    )
    assert (day_lines, rejected, status) == (3, 0, "success")


def test_a_later_run_drops_the_staging_of_finished_ones_only(county: Pipeline) -> None:
    county.run(FRIDAY, [deed()])
    unfinished = county.stage(MONDAY, {"Cases.exp": GOOD.encode()})
    county.stage(MONDAY, {"Cases.exp": GOOD.encode()})
    staged = {row[0] for row in county.rows("SELECT ingestion_id FROM staging_official_records")}
    assert staged == {unfinished, unfinished + 1}


def test_dropping_staging_skips_a_partition_that_another_session_uses(county: Pipeline, database: Database) -> None:
    part = partition("staging_parties", county.run(FRIDAY, [deed()]))
    with psycopg.connect(database.url) as other:
        other.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (DROP_LOCK,))
        assert not drop_part(county.connection, part, timeout="50ms")
        assert county.one("SELECT to_regclass(%s)::text", part) == (part,)
    assert drop_part(county.connection, part, timeout="50ms")
    assert not drop_part(county.connection, part, timeout="50ms")


def test_every_column_has_a_greatest_length_that_a_plain_value_never_exceeds() -> None:
    widest = {"integer": 15, "date": 8, "money": 20 + 13 + 1 + 4, "number": 9 + 1 + 2, "folio": 15}
    for file in FILES:
        for column in layout(file):
            assert widest.get(column.type, 1) <= column.length <= 4_000, f"{file}, {column.name}"


@pytest.mark.timeout(20)
def test_a_bad_line_with_many_empty_fields_costs_no_more_than_another() -> None:
    columns = layout("official_records.exp")
    filled = {0: "2026", 1: "77", 2: "1", 3: "11192026", 10: "DEE", 14: "D", 38: "not a key", 39: "I", 40: "1"}
    bad = ("^".join(filled.get(n, "") for n in range(42)) + "\n").encode()
    odd = BytesIO()
    assert len(b"".join(copy_blocks(BytesIO(bad * 100), plain_line(columns), len(columns), odd))) == 42 * 100
    assert odd.getvalue().count(b"\n") == 100


@pytest.mark.parametrize("written", ["{}", "\t{}"], ids=["plain", "odd"])
def test_a_record_of_the_far_future_is_rejected(county: Pipeline, written: str) -> None:
    """If a record with a date in the far future were staged, it would remain its property's latest record for years."""
    dates = ["12312026", "01012027", "11202099", "02302026", "12319999"]
    lines = [line(cfn_seq=str(number), file_date=written.format(date)) for number, date in enumerate(dates, start=1)]
    county.stage(FRIDAY, {"Cases.exp": "\n".join(lines).encode()}, max_rejected_percent=100)
    assert county.rows("SELECT cfn_seq FROM staging_official_records") == [(1,)]
    late, malformed = "file_date is later than 2026-12-31", "file_date is not a date MMDDYYYY"
    assert [(number, why) for number, why, _ in rejects(county)] == [
        (2, late),
        (3, late),
        (4, malformed),
        (5, late),
    ]


@pytest.mark.parametrize(
    ("day", "latest"),
    [
        (date(2026, 1, 31), date(2026, 2, 28)),
        (date(2029, 11, 30), date(2029, 12, 31)),
        (date(2029, 12, 3), date(2030, 1, 31)),
        (date(1999, 11, 2), date(1999, 12, 31)),
    ],
)
def test_a_plain_date_is_no_later_than_the_end_of_the_next_month(day: date, latest: date) -> None:
    (column,) = [column for column in layout_on("Cases.exp", day) if column.name == "file_date"]
    days = [date(1900, 1, 1) + timedelta(days=number) for number in range(199 * 365)]
    assert [d for d in days if (re.fullmatch(column.plain_pattern, f"{d:%m%d%Y}") is not None) != (d <= latest)] == []


@pytest.mark.timeout(20)
def test_a_field_of_blanks_costs_no_more_than_its_length() -> None:
    columns = layout("Docktext.exp")
    text = b"2026^77^1^1^x" + b" " * 3_900 + b"x\n"
    size = sum(map(len, copy_blocks(BytesIO(text * 5_000), plain_line(columns), len(columns), BytesIO())))
    assert size == len(text) * 5_000


def test_a_line_that_is_too_long_is_rejected_with_its_beginning_and_the_next_line_is_read(county: Pipeline) -> None:
    long = GOOD.encode() + b"\xe9" * (3 * LONGEST_LINE)
    county.stage(FRIDAY, {"Cases.exp": b"\n".join([GOOD.encode(), long, line(cfn_seq="78").encode(), long])})
    assert county.rows("SELECT line_number FROM staging_official_records ORDER BY 1") == [(1,), (3,)]
    reason = "the line is longer than 1048576 bytes"
    assert [(number, why) for number, why, _ in rejects(county)] == [(2, reason), (4, reason)]
    raw = rejects(county)[0][2]
    assert raw.startswith(GOOD + "é") and raw.endswith("é…") and len(raw) < 1_001


ANY_LINE = st.one_of(
    st.text(alphabet=st.characters(codec="cp1252", exclude_characters="\r\n"), max_size=60).map(
        lambda t: t.encode("cp1252")
    ),
    st.binary(max_size=40).map(lambda b: b.replace(b"\n", b"").replace(b"\r", b"")),
    st.sampled_from([GOOD.encode(), PARTY.encode(), b"", b"  ", b"0" * 20, "NUÑEZ^".encode()]),
)


@EITHER_FILE
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(ANY_LINE, max_size=12), end=st.sampled_from([b"\n", b"\r\n"]))
@example(lines=[b"\xa0"], end=b"\n")
@example(lines=[b"0" * 20 + b" \v\f"], end=b"\n")
def test_read_is_staged_plus_rejected_for_any_bytes(
    county: Pipeline, file: str, good: str, table: str, lines: list[bytes], end: bytes
) -> None:
    content = end.join(lines)
    county.stage(FRIDAY, {file: content}, max_rejected_percent=100, run_id="all examples")
    staged = county.counts[file]
    text = content.removeprefix(b"\xef\xbb\xbf").split(b"\n") if content else []
    blank = sum(not one.strip(b" \t\r\n\x0b\x0c") for one in text)
    control = int(bool(text) and text[0].strip().isdigit() and len(text[0].strip()) == 20)
    assert staged.read == staged.staged + staged.rejected == len(text) - blank - control
    kept = {row[0] for row in rejects(county)} | {row[0] for row in county.rows(f"SELECT line_number FROM {table}")}
    assert len(kept) == staged.read


def is_plain(text: str, file: str = "Cases.exp") -> bool:
    return re.fullmatch(plain_line(layout(file)).encode(), text.encode()) is not None


@pytest.mark.parametrize(
    "plain",
    [
        GOOD,
        line(folio_number="000131230450670"),
        line(folio_number="0" * 15, consideration_1="0000000000000000.00", deed_doc_tax=""),
        line(case_type="DEE            ", property_address="", property_city=" " * 40),
        line(property_address='1 CALLE NUÑEZ, "A"', case_number="2026-000777-CA-01 CIRCUIT"),
        line(file_date="02292024"),
        line(file_date="12312026"),
    ],
)
def test_the_lines_of_a_usual_day_are_split_by_copy(plain: str) -> None:
    assert is_plain(f"{plain}\n"[:-1])


@pytest.mark.parametrize("day", ["02292026", "02302026", "04312026", "13012026", "00012026", "20261119", "00000000"])
def test_lines_with_other_dates_are_not_plain(day: str) -> None:
    assert not is_plain(line(file_date=day))


VALUES = {
    "cfn_seq": ["77", "0000000077", " 77 ", "", "7x", "9" * 15, "9" * 16, "-1", "٣"],
    "case_type": ["DEE", "DEE  ", "dee", "", "A B", "MOR_I", "D" * 40, "D" * 41, "D" * 40 + " " * 9],
    "case_number": [
        *("", "  ", "2026-1", " 2026-1 ", "x\ty", "a\\b", "7" * 100, "7" * 101, "7" * 100 + "  ", "é" * 100),
    ],
    "file_date": ["11192026", "02292024", "02292023", "02291900", "00000000", "", "11192026 ", "1119202"],
    "folio_number": [
        *("", "0131230450670", "0" * 30 + "131230450670", "000131230450670", "01-3123-045-0670"),
        *("0" * 13, "0" * 15, "123", "9" * 15),
    ],
    "property_address": ["1 NW 1 ST", "1 NW 1 ST   ", " 1 NW 1 ST", "", "   ", "CALLE NUÑEZ", "\x0b"],
    "consideration_1": [
        "",
        "0",
        "0.00",
        "450000.00",
        "0000000000450000.00",
        ".",
        "5.",
        "5." + "0" * 38,
        "5." + "9" * 39,
        "0" * 21 + "5",
        "0" * 39 + "5",
        "0" * 40 + "5",
        ".5",
        "1.2.3",
        "9" * 13,
        "9" * 14,
    ],
    "party_code": ["R", "D  ", "r", " R", "", "\\N"],
    "party_name": ["DOE JANE", "DOE  JANE   ", " DOE", "", "   ", "NUÑEZ\tA", "\\N", "\\.", "A\\"],
    "transaction_type": ["I", "U", "D", "i", "X", "", "I "],
}


@EITHER_FILE
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(st.fixed_dictionaries({}, optional={k: st.sampled_from(v) for k, v in VALUES.items()}), max_size=8)
)
def test_a_plain_line_gives_the_same_row_as_the_field_by_field_parser(
    county: Pipeline, file: str, good: str, table: str, changes: list[dict[str, str]]
) -> None:
    lines = [changed(file, good, change) for change in changes]
    county.stage(FRIDAY, {file: "\n".join(lines).encode()}, max_rejected_percent=100, run_id="all examples")
    rows = county.rows(f"SELECT * FROM {table} ORDER BY line_number")
    # Staging trims the tab before the last field, just as it trims a space. A line with a tab is not
    # plain, so staging parses it.
    odd = "\n".join("^".join([*one.split("^")[:-1], "\t" + one.split("^")[-1]]) for one in lines)
    assert not any(is_plain(one, file) for one in odd.split("\n"))
    county.stage(FRIDAY, {file: odd.encode()}, max_rejected_percent=100, run_id="all examples")
    looked_at = county.rows(f"SELECT * FROM {table} ORDER BY line_number")
    assert [row[1:] for row in rows] == [row[1:] for row in looked_at]


class Endless(RawIOBase):
    """A large file with ``lines`` identical lines. Each line is generated when it is read."""

    def __init__(self, text: bytes, lines: int) -> None:
        self.text, self.left, self.reads = text, lines, 0

    def read(self, size: int = -1) -> bytes:
        count = min(self.left, size // len(self.text))
        self.left -= count
        self.reads += 1
        return self.text * count


@pytest.mark.parametrize("changes", [{"property_address": "1 CALLE NUÑEZ"}, {"transaction_type": "i"}])
def test_memory_stays_the_same_however_big_the_file_is(changes: dict[str, str]) -> None:
    columns = layout("Cases.exp")

    def peak(lines: int) -> int:
        stream = Endless((line(**changes) + "\r\n").encode("cp1252"), lines)
        tracemalloc.start()
        with Path(os.devnull).open("wb") as odd:
            for _ in copy_blocks(stream, plain_line(columns), len(columns), odd):  # type: ignore[arg-type]
                pass
        try:
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    small, big = peak(20_000), peak(200_000)
    assert small > BLOCK
    assert big < 1.2 * small < 16 * BLOCK


def test_plain_lines_are_copied_in_whole_blocks() -> None:
    """The work grows linearly with the file's size, and plain lines are never parsed one by one."""
    columns = layout("Cases.exp")
    odd = BytesIO()
    blocks = list(copy_blocks(BytesIO((GOOD + "\n").encode() * 30_000), plain_line(columns), len(columns), odd))
    assert len(blocks) == len(GOOD + "\n") * 30_000 // BLOCK + 1
    assert b"".join(blocks) == (GOOD + "\n").encode() * 30_000
    assert not odd.getvalue()


def test_only_the_first_rejected_lines_of_a_file_are_kept(county: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "MOST_REJECTS", 5)
    message = county.fails(FRIDAY, {"Cases.exp": (GOOD + "\nx" * 9).encode()}, TooManyRejects)
    assert "9 of 10 lines are malformed" in message
    assert [number for number, _, _ in rejects(county)] == [2, 3, 4, 5, 6]


def test_blank_lines_take_no_room() -> None:
    odd = BytesIO()
    columns = layout("Cases.exp")
    for _ in copy_blocks(BytesIO(b"\n \t\n\r\n" * 1_000 + b"x"), plain_line(columns), len(columns), odd):
        pass
    assert odd.getvalue() == b"3001^f^x\n"
