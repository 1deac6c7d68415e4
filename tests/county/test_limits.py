"""The county's columns, lines and files have size limits, and even a much larger file takes little memory."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from county.archive import FileArchive
from county.errors import DamagedFile, EmptyFile, FileTooLarge
from county.feeds import DAILY, PARCEL_ROLL
from county.fetch import FetchRequest, _refuse_empty
from county.parcel_roll import fetch_roll
from county.zips import zip_member
from local.paths import ROOT
from tests.county.test_parcel_roll import as_csv, county_site, parcel
from tests.servers.postgres import Database

MIB = 1 << 20

#: A program that stages a file the way the task does, then prints by how many MiB its memory use grew.
STAGE = """
import resource, sys
from datetime import date
from pathlib import Path
import psycopg
from county import fetch, feeds, parcel_roll, runs
from county.archive import FileArchive
from county.staging import stage_file
from county.zips import open_lines

def memory():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

url, folder, name, feed_name = sys.argv[1:]
feed = feeds.feed(feed_name)
file = feed.files[0]
options = {"day": date(2026, 11, 20), "object_name": name, "max_rejected_percent": 100}
with psycopg.connect(url, autocommit=True) as connection:
    run = runs.open_run(connection, feed, "limits", options["day"])
    before = memory()
    if feed_name == "daily":
        with (Path(folder) / name).open("rb") as local:
            fetch._refuse_empty(fetch.FetchRequest(feed, options["day"]), file, name, local)
    with open_lines(FileArchive(Path(folder)), name, file.stem) as stream:
        if feed_name == "daily":
            staged = stage_file(connection, file, stream, ingestion_id=run.ingestion_id, feed=feed.name, **options)
        else:
            staged = parcel_roll.stage_roll(connection, feed, stream, ingestion_id=run.ingestion_id, **options)
    print(memory() - before, staged.read, staged.rejected)
"""


def stage_in_a_child(database: Database, folder: Path, name: str, feed: str = "daily") -> tuple[int, int, int]:
    """Stage the file in a child process; return its memory growth (MiB) and its counts of read and rejected lines."""
    child = subprocess.run(
        [sys.executable, "-c", STAGE, database.url, str(folder), name, feed],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert child.returncode == 0, child.stderr
    grown, read, rejected = child.stdout.split()[-3:]
    return int(grown), int(read), int(rejected)


def write_zip(path: Path, size: int, member: str = "Cases.exp", method: int = zipfile.ZIP_DEFLATED) -> None:
    """Write a zip file whose only member has ``size`` MiB and no line ending."""
    with zipfile.ZipFile(path, "w", method) as packed, packed.open(member, "w", force_zip64=True) as content:
        for _ in range(size):
            content.write(b"A" * MIB)


def reject(database: Database) -> tuple[Any, ...]:
    row = database.connection.execute("SELECT line_number, reason, length(raw_line) FROM rejected_records").fetchone()
    assert row is not None
    return tuple(row)


TOO_LONG = "the line is longer than 1048576 bytes"


@pytest.mark.timeout(60)
def test_a_zip_with_one_endless_line_is_one_reject_in_little_memory(database: Database, tmp_path: Path) -> None:
    write_zip(tmp_path / "Cases.zip", 400)
    assert (tmp_path / "Cases.zip").stat().st_size < MIB
    grown, read, rejected = stage_in_a_child(database, tmp_path, "Cases.zip")
    assert (read, rejected) == (1, 1)
    assert grown < 60
    assert reject(database) == (1, TOO_LONG, 1_001)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("content", [b"A", b"\0", b"^", b"\\", b"\xe9"])
def test_a_file_without_a_line_end_is_read_in_little_memory_and_time(
    database: Database, tmp_path: Path, content: bytes
) -> None:
    with (tmp_path / "Cases.exp").open("wb") as file:
        for _ in range(300):
            file.write(content * MIB)
    grown, read, _ = stage_in_a_child(database, tmp_path, "Cases.exp")
    assert read == 1
    assert grown < 60


@pytest.mark.timeout(60)
@pytest.mark.parametrize("begin", [b"", b'3012345678901,"'])
def test_a_roll_with_an_endless_line_is_staged_in_little_memory(
    database: Database, tmp_path: Path, begin: bytes
) -> None:
    with (tmp_path / "parcel_roll.csv").open("wb") as file:
        file.write(as_csv(parcel()) + begin)
        for _ in range(200):
            file.write(b"A" * MIB)
        file.write(b"\n" + as_csv(parcel("3049190012340")).splitlines()[1])
    grown, read, rejected = stage_in_a_child(database, tmp_path, "parcel_roll.csv", "roll")
    assert (read, rejected) == (3, 1)
    assert reject(database)[:2] == (3, TOO_LONG)
    assert grown < 60


def test_a_zip_that_unpacks_to_more_than_the_limit_is_never_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_zip(tmp_path / "Cases.zip", 3)
    monkeypatch.setenv("MIAMI_DADE_MAX_FILE_MIB", "2")
    with (tmp_path / "Cases.zip").open("rb") as stream, pytest.raises(FileTooLarge, match="raise MIAMI_DADE_MAX_FILE"):
        zip_member(stream, "Cases.zip", "cases")


def test_a_zip_that_says_less_than_it_holds_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "Cases.zip"
    write_zip(path, 3)
    directory = path.read_bytes()
    at = directory.index(b"PK\x01\x02") + 24
    path.write_bytes(directory[:at] + (100).to_bytes(4, "little") + directory[at + 4 :])
    with path.open("rb") as stream, pytest.raises(DamagedFile):
        _refuse_empty(FetchRequest(DAILY, date(2026, 11, 20)), DAILY.files[0], "Cases.zip", stream)


@pytest.mark.parametrize(
    ("marker", "offset", "value"),
    [(b"PK\x05\x06", 16, b"\xff\xff\x00\x00"), (b"PK\x05\x06", 12, b"\xff\x00"), (b"PK\x01\x02", 46, b"\xff")],
    ids=["directory beyond the file", "directory larger than the file", "name that is not UTF-8"],
)
def test_a_zip_with_a_malformed_directory_is_refused(tmp_path: Path, marker: bytes, offset: int, value: bytes) -> None:
    path = tmp_path / "Cases.zip"
    write_zip(path, 1, member="Décès.exp")
    content = path.read_bytes()
    at = content.rindex(marker) + offset
    path.write_bytes(content[:at] + value + content[at + len(value) :])
    with path.open("rb") as stream, pytest.raises(DamagedFile, match="Ask the county for the file again"):
        zip_member(stream, "Cases.zip", "cases")


@pytest.mark.parametrize("comment", [b"", b"x" * 65_535], ids=["no comment", "the longest comment"])
def test_a_zip_with_a_very_large_directory_is_refused(tmp_path: Path, comment: bytes) -> None:
    path = tmp_path / "Cases.zip"
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.comment = comment
        zipped.writestr("Cases.exp", "2026")
        for number in range(20_000):
            zipped.writestr(f"{number:05}.txt", "")
    with path.open("rb") as stream, pytest.raises(DamagedFile, match="directory is larger than 1048576 bytes"):
        zip_member(stream, "Cases.zip", "cases")


def test_a_zip64_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "Cases.zip"
    write_zip(path, 1)
    content = path.read_bytes()
    at = content.rindex(b"PK\x05\x06")
    path.write_bytes(content[:at] + b"PK\x06\x07" + bytes(16) + content[at:])
    with path.open("rb") as stream, pytest.raises(DamagedFile, match="zip64"):
        zip_member(stream, "Cases.zip", "cases")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_packed_by_a_method_of_unbounded_memory_is_refused(tmp_path: Path, method: int) -> None:
    write_zip(tmp_path / "Cases.zip", 1, method=method)
    with (tmp_path / "Cases.zip").open("rb") as stream, pytest.raises(DamagedFile, match="not by deflate"):
        zip_member(stream, "Cases.zip", "cases")


def test_a_file_of_blank_lines_without_end_is_empty(tmp_path: Path) -> None:
    (tmp_path / "Cases.exp").write_bytes(b"0" * 20 + b"\n" + b" " * (3 * MIB))
    with (tmp_path / "Cases.exp").open("rb") as stream, pytest.raises(EmptyFile):
        _refuse_empty(FetchRequest(DAILY, date(2026, 11, 20)), DAILY.files[0], "Cases.exp", stream)


def test_a_download_of_the_roll_ends_at_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIAMI_DADE_MAX_FILE_MIB", "1")
    day = date(2026, 11, 15)
    with county_site(as_csv(parcel()) + b"x" * (2 * MIB)) as url, pytest.raises(FileTooLarge):
        fetch_roll(PARCEL_ROLL, day, FileArchive(tmp_path), url, today=day)
    assert not (tmp_path / "roll").exists()
