"""Fetching archives the right day's file completely and exactly once, or raises an error that names the cause."""

from __future__ import annotations

import io
import socket
import zipfile
from contextlib import closing
from datetime import date, datetime, time
from pathlib import Path
from typing import BinaryIO

import pytest

from county import feeds
from county.archive import Archive
from county.errors import (
    DamagedFile,
    EmptyFile,
    FileStillChanging,
    IncompleteFile,
    LoginRefused,
    MissingFile,
    PermanentIngestionError,
    ServerUnreachable,
    SkipRun,
    StaleFile,
    StorageFull,
)
from county.fetch import Fetched, FetchRequest, fetch_file, files_to_fetch
from county.ftp import CountyFtp
from county.zips import open_lines
from leads.clock import NEW_YORK
from tests.county.conftest import connect_to
from tests.county.disk import no_file_longer_than
from tests.servers.ftp import CountyServer

FRIDAY = date(2026, 11, 20)
MONDAY = date(2026, 11, 23)
THANKSGIVING = date(2026, 11, 26)
LATER = datetime(2026, 12, 1, 12, tzinfo=NEW_YORK)
EVENING = datetime(2026, 11, 19, 21, 30, tzinfo=NEW_YORK)


def fetch(archive: Archive, day: date = FRIDAY, *, now: datetime = LATER, **options: object) -> list[Fetched]:
    """Archive the day's files the way a run's tasks do.

    At the default ``now``, it is too late to wait for missing files.
    """
    request = FetchRequest(feeds.feed("daily"), day, **options)  # type: ignore[arg-type]
    with closing(CountyFtp(timeout=3, resumptions=2)) as ftp:
        files = files_to_fetch(request, ftp, archive, now=now)
        assert files is not None
        return [fetch_file(request, file, ftp, archive, now=now) for file in files]


def publish(server: CountyServer, content: bytes = b"row", *, written: datetime = EVENING, suffix: str = "") -> None:
    for stem in ("Cases", "Parties"):
        server.put(f"/daily/{stem}{suffix}.exp", content, written)


def test_files_are_archived_under_their_business_date_with_their_names(server: CountyServer, archive: Archive) -> None:
    publish(server, b"2026^1\r\n")
    server.put("/daily/Dockets.exp", b"d", EVENING)
    fetched = fetch(archive)
    assert [file.object_name for file in fetched] == [
        "daily/2026-11-20/Cases.exp",
        "daily/2026-11-20/Parties.exp",
        "daily/2026-11-20/Dockets.exp",
    ]
    assert archive.open("daily/2026-11-20/Cases.exp").read() == b"2026^1\r\n"


def test_what_is_archived_is_not_fetched_again(server: CountyServer, archive: Archive) -> None:
    publish(server)
    first = fetch(archive)
    server.transfers.clear()
    publish(server, b"something else", written=datetime(2026, 11, 23, 21, tzinfo=NEW_YORK))
    assert fetch(archive) == first
    assert server.transfers == []


@pytest.mark.parametrize("suffix", ["_20261120", "_11202026"])
def test_a_dated_name_is_the_days_file_whenever_it_was_written(
    server: CountyServer, archive: Archive, suffix: str
) -> None:
    publish(server, b"another day", written=datetime(2026, 11, 23, 21, tzinfo=NEW_YORK))
    publish(server, b"the day", written=datetime(2026, 11, 24, 9, tzinfo=NEW_YORK), suffix=suffix)
    (cases, _) = fetch(archive)
    assert cases.object_name == f"daily/2026-11-20/Cases{suffix}.exp"


def test_a_lag_is_counted_in_business_days(server: CountyServer, archive: Archive) -> None:
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
        (new_york(2026, 3, 9, 17), date(2026, 3, 9)),  # Daylight saving time began on March 8.
        (new_york(2026, 3, 6, 18, 30), date(2026, 3, 9)),
        (new_york(2026, 11, 1, 12), date(2026, 11, 2)),  # Daylight saving time ended on November 1.
    ],
)
def test_an_undated_file_belongs_to_the_business_date_it_was_written_for(
    server: CountyServer, archive: Archive, written: datetime, day: date
) -> None:
    publish(server, written=written)
    assert fetch(archive, day)[0].object_name == f"daily/{day}/Cases.exp"
    for other in (date(2026, 11, 18), date(2026, 11, 24)):
        with pytest.raises(MissingFile):
            fetch(archive, other)


def test_a_day_that_is_nowhere_fails_and_says_what_there_is(server: CountyServer, archive: Archive) -> None:
    publish(server, suffix="_20261123")
    with pytest.raises(MissingFile) as missing:
        fetch(archive)
    assert "Cases.exp and Parties.exp for 2026-11-20" in str(missing.value)
    assert "Cases_20261123.exp" in str(missing.value)
    assert archive.names("daily/2026-11-20") == []


def test_one_missing_required_file_is_named(server: CountyServer, archive: Archive) -> None:
    server.put("/daily/Cases.exp", b"row", EVENING)
    with pytest.raises(MissingFile, match=r"^Parties\.exp for 2026-11-20"):
        fetch(archive)


@pytest.mark.parametrize("content", [b"", b"\r\n", b"00000000112020260001\r\n", b"00000000112020260001"])
def test_an_empty_file_is_refused(server: CountyServer, archive: Archive, content: bytes) -> None:
    publish(server, content)
    with pytest.raises(EmptyFile, match=r"Cases\.exp for 2026-11-20 contains no record"):
        fetch(archive)
    assert archive.names("daily/2026-11-20") == []


def test_yesterdays_file_is_refused(server: CountyServer, archive: Archive) -> None:
    publish(server, b"the same")
    fetch(archive)
    publish(server, b"the same", written=datetime(2026, 11, 20, 21, tzinfo=NEW_YORK))
    with pytest.raises(StaleFile, match="identical to the file of 2026-11-20"):
        fetch(archive, MONDAY)


def test_a_lost_connection_is_resumed_where_it_broke(server: CountyServer, archive: Archive) -> None:
    content = bytes(range(256)) * 2000
    publish(server, content)
    server.cut_after = [100_000, 200_000]
    (cases, _) = fetch(archive)
    assert archive.open(cases.object_name).read() == content
    starts = [start for name, start in server.transfers if name == "Cases.exp"]
    assert starts[0] == 0
    assert 0 < starts[1] < starts[2] < len(content)


def test_a_server_that_stops_early_and_reports_success_is_asked_for_the_rest(
    server: CountyServer, archive: Archive
) -> None:
    content = bytes(range(256)) * 2000
    publish(server, content)
    server.stop_after = [100_000, 8_192]
    (cases, _) = fetch(archive)
    assert archive.open(cases.object_name).read() == content


def test_a_server_that_never_gives_the_rest_archives_nothing(server: CountyServer, archive: Archive) -> None:
    publish(server, b"x" * 300_000)
    server.stop_after = [10_000] * 3
    with pytest.raises(IncompleteFile, match=r"of 300000 bytes arrived although the server reported success"):
        fetch(archive)
    assert archive.names("daily/2026-11-20") == []
    assert len(fetch(archive)) == 2, "the next try reads the whole file"


def test_a_connection_that_keeps_breaking_archives_nothing(server: CountyServer, archive: Archive) -> None:
    publish(server, b"x" * 300_000)
    server.cut_after = [10_000] * 9
    with pytest.raises(ServerUnreachable, match="the connection broke 3 times"):
        fetch(archive)
    assert archive.names("daily/2026-11-20") == []


def test_a_file_that_is_still_written_is_not_archived(server: CountyServer, archive: Archive) -> None:
    publish(server, b"x" * 50_000)
    server.grow = ["and more"]
    with pytest.raises(FileStillChanging):
        fetch(archive)
    assert archive.names("daily/2026-11-20") == []


def test_the_size_of_a_recently_written_file_is_checked_twice(
    server: CountyServer, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """During a slow upload, the server reports the file's size so far, so a partial download would look complete."""

    def the_county_writes_on(seconds: float) -> None:
        publish(server, b"first part, second part", suffix="_20261120")

    monkeypatch.setattr("county.fetch.time.sleep", the_county_writes_on)
    publish(server, b"first part", written=LATER, suffix="_20261120")
    with pytest.raises(FileStillChanging):
        fetch(archive, now=LATER)
    assert len(fetch(archive, now=LATER)) == 2


def test_a_full_temporary_folder_is_named(server: CountyServer, archive: Archive) -> None:
    publish(server, b"x" * 500_000)
    with no_file_longer_than(100_000), pytest.raises(StorageFull, match="set TMPDIR to another folder"):
        fetch(archive)
    assert archive.names("daily/2026-11-20") == []
    assert len(fetch(archive)) == 2


def test_the_temporary_folder_is_empty_while_a_file_is_read(
    server: CountyServer, archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the process is killed, no personal data is left in the temporary folder."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    seen: list[Path] = []
    put = type(archive).put

    def look(self: Archive, name: str, source: BinaryIO) -> None:
        seen.extend(temporary.iterdir())
        put(self, name, source)

    monkeypatch.setattr(type(archive), "put", look)
    publish(server)
    assert len(fetch(archive)) == 2
    assert seen == []


def test_a_wrong_password_is_not_tried_again(
    server: CountyServer, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect_to(monkeypatch, port=server.port, password="wrong")
    with pytest.raises(LoginRefused, match="Correct user and password of the connection miami_dade_ftp"):
        fetch(archive)
    assert issubclass(LoginRefused, PermanentIngestionError)


def test_a_dead_server_is_named(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        connect_to(monkeypatch, port=taken.getsockname()[1])
        with pytest.raises(ServerUnreachable, match="the county's FTP server does not answer"):
            fetch(archive)


def test_a_dead_server_does_not_matter_when_the_archive_has_the_day(
    server: CountyServer, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(server)
    first = fetch(archive)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        connect_to(monkeypatch, port=taken.getsockname()[1])
        assert fetch(archive) == first
        with pytest.raises(ServerUnreachable):
            fetch(archive, refetch=True)


def test_a_missing_connection_is_named(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_MIAMI_DADE_FTP", raising=False)
    with pytest.raises(PermanentIngestionError, match="connection miami_dade_ftp is not defined"):
        fetch(archive)


def test_a_silent_server_does_not_hold_the_task(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        connect_to(monkeypatch, port=silent.getsockname()[1])
        with closing(CountyFtp(timeout=0.2)) as ftp, pytest.raises(ServerUnreachable):
            ftp.names("/daily")


def test_a_holiday_without_files_is_nothing_to_do(server: CountyServer, archive: Archive) -> None:
    with pytest.raises(SkipRun):
        fetch(archive, THANKSGIVING)
    publish(server, suffix="_20261126")
    assert len(fetch(archive, THANKSGIVING)) == 2


def test_a_correction_is_archived_beside_the_first_file(server: CountyServer, archive: Archive) -> None:
    publish(server, b"first")
    fetch(archive)
    publish(server, b"corrected")
    (cases, _) = fetch(archive, refetch=True)
    assert cases.object_name == "daily/2026-11-20/Cases.exp.r2"
    assert fetch(archive)[0] == cases, "the newest revision is read"
    publish(server, b"corrected again")
    assert fetch(archive, refetch=True)[0].object_name == "daily/2026-11-20/Cases.exp.r3"
    assert fetch(archive, refetch=True)[0].object_name == "daily/2026-11-20/Cases.exp.r3", (
        "unchanged content keeps its object"
    )
    assert archive.open("daily/2026-11-20/Cases.exp").read() == b"first"


def test_a_correction_under_another_name_is_the_newest_all_the_same(server: CountyServer, archive: Archive) -> None:
    publish(server, b"first")
    fetch(archive)
    publish(server, b"corrected")
    fetch(archive, refetch=True)
    publish(server, b"corrected again", suffix="_20261120")
    (cases, _) = fetch(archive, refetch=True)
    assert archive.open(cases.object_name).read() == b"corrected again"
    assert fetch(archive)[0] == cases


@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_a_damaged_zip_is_not_archived(
    server: CountyServer, archive: Archive, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    monkeypatch.setenv("MIAMI_DADE_DAILY_FORMAT", "official_records")
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as file:
        file.writestr("11202026.exp", "a record\r\n" * 1000)
    whole = zipped.getvalue()
    bad = whole[:-100] if damage == "cut" else whole.replace(b"a record", b"A record", 1)
    server.put("/daily/dly_records_11202026.zip", bad, EVENING)
    with pytest.raises(DamagedFile, match=r"dly_records_11202026\.zip is a zip that cannot be read.*Ask the county"):
        fetch(archive)
    assert archive.names("daily/2026-11-20") == []
    server.put("/daily/dly_records_11202026.zip", whole, EVENING)
    assert len(fetch(archive)) == 1


def test_the_clerks_zip_is_kept_as_it_is_and_read_through(
    server: CountyServer, archive: Archive, monkeypatch: pytest.MonkeyPatch
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
    server: CountyServer, archive: Archive
) -> None:
    def look(day: date, at: time) -> list[str] | None:
        with closing(CountyFtp(timeout=3)) as ftp:
            now = datetime.combine(FRIDAY, at, NEW_YORK)
            files = files_to_fetch(FetchRequest(feeds.feed("daily"), day), ftp, archive, now=now)
            return None if files is None else [file.name for file in files]

    assert look(FRIDAY, time(6)) is None
    assert look(FRIDAY, time(17, 59)) is None
    for day, at in ((FRIDAY, time(18)), (date(2026, 11, 19), time(6))):
        with pytest.raises(MissingFile):
            look(day, at)
    publish(server)
    assert look(FRIDAY, time(6)) == ["Cases.exp", "Parties.exp"]


@pytest.mark.parametrize(
    ("written", "is_there"),
    [(time(8, 57), True), (time(8, 59), False), (time(9, 1), True)],
    ids=["settled", "a minute ago", "by a clock that is ahead of ours"],
)
def test_a_file_written_in_the_last_two_minutes_is_waited_for(
    server: CountyServer, archive: Archive, written: time, is_there: bool
) -> None:
    publish(server, written=datetime.combine(FRIDAY, written, NEW_YORK))
    nine = datetime.combine(FRIDAY, time(9), NEW_YORK)
    with closing(CountyFtp(timeout=3)) as ftp:
        files = files_to_fetch(FetchRequest(feeds.feed("daily"), FRIDAY), ftp, archive, now=nine)
    assert (files is not None) is is_there
