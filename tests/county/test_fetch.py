"""From the county's server to the archive: the right day's file, whole, once, or a clear refusal."""

from __future__ import annotations

import io
import json
import socket
import stat
import zipfile
from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime, time
from pathlib import Path

import pytest

from county import feeds
from county.archive import FileArchive, open_archive
from county.errors import (
    ArchiveConflict,
    EmptyFile,
    FileStillChanging,
    GiveUp,
    LoginRefused,
    MissingFile,
    NothingToDo,
    ServerUnreachable,
    StaleFile,
)
from county.fetch import Fetched, Request, fetch_files, files_are_there, open_lines
from county.hooks import CountyFtp
from leads.days import NEW_YORK
from tests.county.ftp_server import PASSWORD, USER, CountyServer, running_ftp_server

FRIDAY = date(2026, 11, 20)
MONDAY = date(2026, 11, 23)
THANKSGIVING = date(2026, 11, 26)
LATER = datetime(2026, 12, 1, 12, tzinfo=NEW_YORK)
EVENING = datetime(2026, 11, 19, 21, 30, tzinfo=NEW_YORK)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CountyServer]:
    folder = tmp_path / "ftp"
    folder.mkdir()
    with running_ftp_server(folder) as running:
        _connect_to(running.port, monkeypatch)
        yield running


@pytest.fixture
def archive(tmp_path: Path) -> FileArchive:
    return FileArchive(tmp_path / "archive")


def _connect_to(port: int, monkeypatch: pytest.MonkeyPatch, password: str = PASSWORD) -> None:
    connection = {"conn_type": "ftp", "host": "127.0.0.1", "port": port, "login": USER, "password": password}
    monkeypatch.setenv("AIRFLOW_CONN_MIAMI_DADE_FTP", json.dumps(connection))


def fetch(archive: FileArchive, day: date = FRIDAY, *, now: datetime = LATER, **options: object) -> list[Fetched]:
    with closing(CountyFtp(timeout=3, resumptions=2)) as ftp:
        return fetch_files(Request(feeds.feed("daily"), day, **options), ftp, archive, now=now)  # type: ignore[arg-type]


def publish(server: CountyServer, content: bytes = b"row", *, written: datetime = EVENING, suffix: str = "") -> None:
    for stem in ("Cases", "Parties"):
        server.put(f"/daily/{stem}{suffix}.exp", content, written)


def test_files_are_archived_under_their_business_date_with_their_names(
    server: CountyServer, archive: FileArchive
) -> None:
    publish(server, b"2026^1\r\n")
    server.put("/daily/Dockets.exp", b"d", EVENING)
    fetched = fetch(archive)
    assert [file.object_name for file in fetched] == [
        "daily/2026-11-20/Cases.exp",
        "daily/2026-11-20/Parties.exp",
        "daily/2026-11-20/Dockets.exp",
    ]
    assert (archive.root / "daily/2026-11-20/Cases.exp").read_bytes() == b"2026^1\r\n"


def test_archived_objects_are_private(server: CountyServer, archive: FileArchive) -> None:
    publish(server)
    (first, *_) = fetch(archive)
    assert stat.S_IMODE((archive.root / first.object_name).stat().st_mode) == 0o600
    assert stat.S_IMODE((archive.root / first.object_name).parent.stat().st_mode) == 0o700


def test_what_is_archived_is_not_fetched_again(server: CountyServer, archive: FileArchive) -> None:
    publish(server)
    first = fetch(archive)
    server.transfers.clear()
    publish(server, b"something else", written=datetime(2026, 11, 23, 21, tzinfo=NEW_YORK))
    assert fetch(archive) == first
    assert server.transfers == []


@pytest.mark.parametrize("suffix", ["_20261120", "_11202026"])
def test_a_dated_name_is_the_days_file_whenever_it_was_written(
    server: CountyServer, archive: FileArchive, suffix: str
) -> None:
    publish(server, b"another day", written=datetime(2026, 11, 23, 21, tzinfo=NEW_YORK))
    publish(server, b"the day", written=LATER, suffix=suffix)
    (cases, _) = fetch(archive)
    assert cases.object_name == f"daily/2026-11-20/Cases{suffix}.exp"


def test_a_lag_is_counted_in_business_days(server: CountyServer, archive: FileArchive) -> None:
    publish(server, suffix="_20261120")
    (cases, _) = fetch(archive, MONDAY, lag_days=1)
    assert cases.object_name == "daily/2026-11-23/Cases_20261120.exp"


def new_york(*moment: int) -> datetime:
    return datetime(*moment, tzinfo=NEW_YORK)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("written", "day"),
    [
        (new_york(2026, 11, 19, 18, 0, 1), FRIDAY),
        (new_york(2026, 11, 20, 18), FRIDAY),
        (new_york(2026, 11, 20, 18, 0, 1), MONDAY),
        (new_york(2026, 11, 22, 12), MONDAY),
        (new_york(2026, 11, 23, 18), MONDAY),
        (new_york(2026, 3, 9, 17), date(2026, 3, 9)),  # daylight saving time began the day before
        (new_york(2026, 3, 6, 18, 30), date(2026, 3, 9)),
        (new_york(2026, 11, 1, 12), date(2026, 11, 2)),  # and ended on 1 November
    ],
)
def test_an_undated_file_belongs_to_the_business_date_it_was_written_for(
    server: CountyServer, archive: FileArchive, written: datetime, day: date
) -> None:
    publish(server, written=written)
    assert fetch(archive, day)[0].object_name == f"daily/{day}/Cases.exp"
    for other in (date(2026, 11, 18), date(2026, 11, 24)):
        with pytest.raises(MissingFile):
            fetch(archive, other)


def test_a_day_that_is_nowhere_fails_and_says_what_there_is(server: CountyServer, archive: FileArchive) -> None:
    publish(server, suffix="_20261123")
    with pytest.raises(MissingFile) as missing:
        fetch(archive)
    assert "Cases.exp and Parties.exp for 2026-11-20" in str(missing.value)
    assert "Cases_20261123.exp" in str(missing.value)
    assert list(archive.root.glob("**/*.exp")) == []


def test_one_missing_required_file_is_named(server: CountyServer, archive: FileArchive) -> None:
    server.put("/daily/Cases.exp", b"row", EVENING)
    with pytest.raises(MissingFile, match=r"^Parties\.exp for 2026-11-20"):
        fetch(archive)


@pytest.mark.parametrize("content", [b"", b"\r\n", b"00000000112020260001\r\n", b"00000000112020260001"])
def test_an_empty_file_is_refused(server: CountyServer, archive: FileArchive, content: bytes) -> None:
    publish(server, content)
    with pytest.raises(EmptyFile, match=r"Cases\.exp for 2026-11-20 holds no record"):
        fetch(archive)
    assert list(archive.root.glob("**/*.exp")) == []


def test_yesterdays_file_is_refused(server: CountyServer, archive: FileArchive) -> None:
    publish(server, b"the same")
    fetch(archive)
    publish(server, b"the same", written=datetime(2026, 11, 20, 21, tzinfo=NEW_YORK))
    with pytest.raises(StaleFile, match="identical to the file of 2026-11-20"):
        fetch(archive, MONDAY)


def test_a_lost_connection_is_resumed_where_it_broke(server: CountyServer, archive: FileArchive) -> None:
    content = bytes(range(256)) * 2000
    publish(server, content)
    server.cut_after = [100_000, 200_000]
    (cases, _) = fetch(archive)
    assert (archive.root / cases.object_name).read_bytes() == content
    starts = [start for name, start in server.transfers if name == "Cases.exp"]
    assert starts[0] == 0
    assert 0 < starts[1] < starts[2] < len(content)


def test_a_connection_that_breaks_for_ever_archives_nothing(server: CountyServer, archive: FileArchive) -> None:
    publish(server, b"x" * 300_000)
    server.cut_after = [10_000] * 9
    with pytest.raises(ServerUnreachable, match="the connection broke 3 times"):
        fetch(archive)
    assert list(archive.root.glob("**/*.exp")) == []


def test_a_file_that_is_still_written_is_not_archived(server: CountyServer, archive: FileArchive) -> None:
    publish(server, b"x" * 50_000)
    server.grow = ["and more"]
    with pytest.raises(FileStillChanging):
        fetch(archive)
    assert list(archive.root.glob("**/*.exp")) == []


def test_a_wrong_password_is_not_tried_again(
    server: CountyServer, archive: FileArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    _connect_to(server.port, monkeypatch, password="wrong")
    with pytest.raises(LoginRefused, match="Correct user and password of the connection miami_dade_ftp"):
        fetch(archive)
    assert issubclass(LoginRefused, GiveUp)


def test_a_dead_server_is_named(archive: FileArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        _connect_to(taken.getsockname()[1], monkeypatch)
        with pytest.raises(ServerUnreachable, match="the county's FTP server does not answer"):
            fetch(archive)


def test_a_silent_server_does_not_hold_the_task(archive: FileArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        _connect_to(silent.getsockname()[1], monkeypatch)
        with closing(CountyFtp(timeout=0.2)) as ftp, pytest.raises(ServerUnreachable):
            ftp.names("/daily")


def test_a_holiday_without_files_is_nothing_to_do(server: CountyServer, archive: FileArchive) -> None:
    with pytest.raises(NothingToDo):
        fetch(archive, THANKSGIVING)
    publish(server, suffix="_20261126")
    assert len(fetch(archive, THANKSGIVING)) == 2


def test_a_correction_is_archived_beside_the_first_file(server: CountyServer, archive: FileArchive) -> None:
    publish(server, b"first")
    fetch(archive)
    publish(server, b"corrected")
    (cases, _) = fetch(archive, refetch=True)
    assert cases.object_name == "daily/2026-11-20/Cases.exp.r2"
    assert fetch(archive)[0] == cases, "the newest revision is read"
    publish(server, b"corrected again")
    assert fetch(archive, refetch=True)[0].object_name == "daily/2026-11-20/Cases.exp.r3"
    assert fetch(archive, refetch=True)[0].object_name == "daily/2026-11-20/Cases.exp.r3", "unchanged"
    assert (archive.root / "daily/2026-11-20/Cases.exp").read_bytes() == b"first"


def test_the_clerks_zip_is_kept_as_it_is_and_read_through(
    server: CountyServer, archive: FileArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIAMI_DADE_DAILY_FORMAT", "official_records")
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as file:
        file.writestr("11202026.exp", "the records")
    server.put("/daily/dly_records_11202026.zip", zipped.getvalue(), EVENING)
    (records,) = fetch(archive)
    assert records.object_name == "daily/2026-11-20/dly_records_11202026.zip"
    with open_lines(archive, records.object_name, "dly_records") as lines:
        assert lines.read() == b"the records"


def test_a_run_of_today_waits_until_closing_time_and_no_run_of_a_past_day(
    server: CountyServer, archive: FileArchive
) -> None:
    def there(day: date, at: time) -> bool:
        with closing(CountyFtp(timeout=3)) as ftp:
            now = datetime.combine(FRIDAY, at, NEW_YORK)
            return files_are_there(Request(feeds.feed("daily"), day), ftp, archive, now=now)

    assert not there(FRIDAY, time(6))
    assert not there(FRIDAY, time(17, 59))
    assert there(FRIDAY, time(18))
    assert there(date(2026, 11, 19), time(6))
    publish(server)
    assert there(FRIDAY, time(6))


def test_another_content_never_takes_an_archived_name(archive: FileArchive, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_bytes(b"1")
    second.write_bytes(b"2")
    archive.put("daily/2026-11-20/Cases.exp", first)
    archive.put("daily/2026-11-20/Cases.exp", first)
    with pytest.raises(ArchiveConflict, match="refetch"):
        archive.put("daily/2026-11-20/Cases.exp", second)
    assert archive.open("daily/2026-11-20/Cases.exp").read() == b"1"
    assert archive.names("daily/2026-11-20") == ["Cases.exp"], "no partial file is left"


@pytest.mark.parametrize("url", ["", "s3://bucket/x", "relative/folder", "file://host/folder"])
def test_an_archive_address_that_nothing_serves_is_refused(url: str) -> None:
    with pytest.raises(GiveUp, match="ARCHIVE_URL"):
        open_archive(url)
