"""Copies the county's files to the archive. A run reads the archive, because the server keeps only the newest files."""

from __future__ import annotations

import io
import os
import re
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import BinaryIO, Protocol

from county.archive import Archive
from county.dates import can_still_come, file_date, parse_name, writing_window
from county.errors import (
    EmptyFile,
    FileStillChanging,
    LoginRefused,
    MissingFile,
    ServerUnreachable,
    SkipRun,
    StaleFile,
    StorageFull,
)
from county.feed import Feed, FeedFile
from county.limits import refuse_too_large
from county.lines import whole_lines
from county.zips import readable_zip, zip_member
from leads.business_days import is_business_day, previous_business_day
from leads.logs import get_logger

log = get_logger(__name__)

#: The county may still be writing a file that was changed less than ``FRESH`` ago. Before a task downloads a file that
#: was changed less than ``FRESH`` ago, it waits ``PAUSE`` seconds.
FRESH = timedelta(minutes=2)
PAUSE = 5.0


class FileServer(Protocol):
    """The server on which the county publishes its files; ``county.ftp`` implements this protocol for FTP."""

    def names(self, folder: str) -> list[str]:
        """Return the file names in ``folder``, without the folder, or an empty list for an empty folder."""

    def facts(self, path: str) -> tuple[int, datetime]:
        """Return the size (bytes) and modification time (aware) of a file."""

    def download(self, path: str, target: BinaryIO, size: int) -> None:
        """Write ``size`` bytes to ``target``, resuming after a lost connection.

        Raises IncompleteFile if fewer bytes arrive.
        """


@dataclass(frozen=True)
class Fetched:
    """An archived file of the run; ``object_name`` is relative to ``ARCHIVE_URL``."""

    file: str
    object_name: str
    checksum: str
    bytes: int


@dataclass(frozen=True)
class FetchRequest:
    """A request for the files of ``feed`` for the business date ``day``."""

    feed: Feed
    day: date
    lag_days: int = 0
    refetch: bool = False

    @property
    def folder(self) -> str:
        """The archive's folder for the business date."""
        return f"{self.feed.name}/{self.day.isoformat()}"

    def belongs(self, file: FeedFile, name: str) -> bool:
        """Return whether ``name``, on the server or in the archive, is a version of ``file``."""
        parsed = parse_name(name)
        return parsed is not None and parsed[0] in (file.stem, *file.other_stems)


def files_to_fetch(
    request: FetchRequest, server: FileServer, archive: Archive, *, now: datetime
) -> list[FeedFile] | None:
    """Return the run's files in the feed's order, or None while a missing required file may still be published today.

    A file counts as present if it is archived, or if it is on the server and was not written in the last two minutes.
    On a holiday, a run of the daily feed does not wait for files. Raises SkipRun on a holiday without files, and
    MissingFile if a required file is neither in the archive nor on the server. An optional file may be missing.
    """
    archived = [file for file in request.feed.files if _archived(request, file, archive) is not None]
    found = archived + _published(request, archived, server, now)
    missing = [file for file in request.feed.files if file.required and file not in found]
    if missing and _can_wait(request, now):
        return None
    if missing:
        _explain_missing(request, missing, server, nothing_found=not found)
    for file in request.feed.files:
        if file not in found:
            log.warning("optional_file_missing", file=file.name, business_date=request.day.isoformat())
    return [file for file in request.feed.files if file in found]


def fetch_file(
    request: FetchRequest, file: FeedFile, server: FileServer, archive: Archive, *, now: datetime
) -> Fetched:
    """Archive one file, unless it is archived already; return the archived file.

    With ``refetch``, the file is downloaded even if it is archived, and a corrected file is archived next to the first
    version. Raises MissingFile, EmptyFile or StaleFile for a required file, and IncompleteFile or FileStillChanging
    when a retry may succeed.
    """
    archived = _archived(request, file, archive)
    if archived is not None and not request.refetch:
        return archived
    fetched = _from_server(request, file, server, archive, now) or archived
    if fetched is None:
        _explain_missing(request, [file], server, nothing_found=False)
        raise AssertionError("unreachable")
    return fetched


def _can_wait(request: FetchRequest, now: datetime) -> bool:
    closed = request.feed.skips_holidays and not is_business_day(request.day)
    return not closed and can_still_come(request.day, now)


def _published(
    request: FetchRequest, archived: Sequence[FeedFile], server: FileServer, now: datetime
) -> list[FeedFile]:
    """Return the files that are on the server but not in the archive.

    If all required files are archived, a server that does not answer causes only a warning.
    """
    enough = not request.refetch and all(file in archived for file in request.feed.files if file.required)
    wanted = [file for file in request.feed.files if file not in archived]
    try:
        return [file for file in wanted if _is_published(request, file, server, now)]
    except (ServerUnreachable, LoginRefused) as error:
        if not enough:
            raise
        log.warning("server_not_needed", business_date=request.day.isoformat(), reason=str(error))
        return []


def _is_published(request: FetchRequest, file: FeedFile, server: FileServer, now: datetime) -> bool:
    name = _on_server(request, file, server)
    if name is None:
        return False
    if not _can_wait(request, now):
        return True
    age = now - server.facts(f"{request.feed.directory}/{name}")[1]
    return not timedelta(0) <= age < FRESH  # the server's clock may be ahead of this machine's


def _revisions(request: FetchRequest, file: FeedFile, archive: Archive) -> list[tuple[int, str]]:
    """Return a pair (revision, name) for each archived version of the file, oldest first."""
    found = []
    for name in archive.names(request.folder):
        match = re.fullmatch(r"(?P<base>.+?)(?:\.r(?P<revision>\d+))?", name)
        assert match is not None
        if request.belongs(file, match["base"]):
            found.append((int(match["revision"] or 1), name))
    return sorted(found)


def _archived(request: FetchRequest, file: FeedFile, archive: Archive) -> Fetched | None:
    """Return the newest archived revision of the file, or None if the file is not archived."""
    revisions = _revisions(request, file, archive)
    return _fetched(archive, file, f"{request.folder}/{revisions[-1][1]}") if revisions else None


def _fetched(archive: Archive, file: FeedFile, object_name: str) -> Fetched:
    size, checksum = archive.facts(object_name)
    return Fetched(file.name, object_name, checksum, size)


def _on_server(request: FetchRequest, file: FeedFile, server: FileServer) -> str | None:
    """Return the name of the day's file on the server.

    A dated file takes precedence over an undated file that was written within the day's window.
    """
    wanted = file_date(request.feed, request.day, request.lag_days)
    undated = []
    for name in sorted(server.names(request.feed.directory)):
        if request.belongs(file, name):
            carried = (parse_name(name) or ("", None))[1]
            if carried == wanted:
                return name
            if carried is None:
                undated.append(name)
    after, until = writing_window(request.feed, request.day)
    for name in undated:
        if after < server.facts(f"{request.feed.directory}/{name}")[1] <= until:
            return name
    return None


def _from_server(
    request: FetchRequest, file: FeedFile, server: FileServer, archive: Archive, now: datetime
) -> Fetched | None:
    name = _on_server(request, file, server)
    if name is None:
        return None
    # The temporary file has no name, so a killed task leaves no personal data on disk.
    with _room(name), tempfile.TemporaryFile() as local:
        _download(server, f"{request.feed.directory}/{name}", local, now)
        _refuse_empty(request, file, name, local)
        _refuse_yesterdays(request, file, name, local, archive)
        object_name = _name_in_archive(request, file, name, local, archive)
        archive.put(object_name, local)
    return _fetched(archive, file, object_name)


@contextmanager
def _room(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        folder = tempfile.gettempdir() if tempfile.tempdir else "TMPDIR"
        raise StorageFull(
            f"{name} cannot be written to the temporary folder {folder} of {os.uname().nodename}: "
            f"{error.strerror or error}. Free space there or set TMPDIR to another folder; nothing was archived; the "
            "next try continues."
        ) from error


def _download(server: FileServer, path: str, local: BinaryIO, now: datetime) -> None:
    """Download one file; raise FileStillChanging if its size or time on the server changes during the download."""
    before = server.facts(path)
    refuse_too_large(path, before[0])
    if now - before[1] < FRESH:
        time.sleep(PAUSE)
    server.download(path, local, before[0])
    local.flush()
    after = server.facts(path)
    if before != after or local.tell() != after[0]:
        raise FileStillChanging(
            f"{path} changed while it was read ({before[0]} bytes, then {after[0]}; {local.tell()} arrived): the "
            "county is still writing it. Nothing was archived; the next try reads it again."
        )


def _refuse_empty(request: FetchRequest, file: FeedFile, name: str, local: BinaryIO) -> None:
    """Raise EmptyFile for an empty file, unless the feed allows it; read a zip to its end to verify its checksums."""
    zipped = name.lower().endswith(".zip")
    local.seek(0)
    stream = zip_member(local, name, file.stem) if zipped else local
    with readable_zip(name):
        empty = not any(
            line.strip() and not re.fullmatch(rb"\d{20}\s*", line)
            for lines in whole_lines(stream)
            for line in lines.split(b"\n")
        )
        while zipped and stream.read(1 << 20):
            pass
    if empty and file.required and not request.feed.may_be_empty:
        raise EmptyFile(
            f"{name} for {request.day} contains no record. Ask the county for the day's file, then run the date again; "
            "nothing was archived or changed."
        )


def _refuse_yesterdays(request: FetchRequest, file: FeedFile, name: str, local: BinaryIO, archive: Archive) -> None:
    if not file.required or request.feed.may_be_empty:
        return
    before = FetchRequest(request.feed, previous_business_day(request.day))
    earlier = _archived(before, file, archive)
    if earlier is not None and _same(earlier, local, archive):
        raise StaleFile(
            f"{name} for {request.day} is identical to the file of {before.day}: the county has not published the "
            "new file. Run the date again when it has; nothing was archived or changed."
        )


def _same(archived: Fetched, local: BinaryIO, archive: Archive) -> bool:
    return archived.bytes == local.seek(0, io.SEEK_END) and archived.checksum == archive.checksum(local)


def _name_in_archive(request: FetchRequest, file: FeedFile, name: str, local: BinaryIO, archive: Archive) -> str:
    """Return the object name for the file: the server's name, with a new revision number for a corrected file."""
    revisions = _revisions(request, file, archive)
    if not revisions:
        return f"{request.folder}/{name}"
    newest, archived = revisions[-1]
    if _same(_fetched(archive, file, f"{request.folder}/{archived}"), local, archive):
        return f"{request.folder}/{archived}"
    return f"{request.folder}/{name}.r{newest + 1}"


def _explain_missing(
    request: FetchRequest, missing: Sequence[FeedFile], server: FileServer, *, nothing_found: bool
) -> None:
    if nothing_found and request.feed.skips_holidays and not is_business_day(request.day):
        raise SkipRun(f"{request.day} is not a business day of the county, and there is no file for it")
    names = " and ".join(file.name for file in missing)
    directory = request.feed.directory
    others = [name for name in server.names(directory) if any(request.belongs(file, name) for file in missing)]
    seen = f"the server has {', '.join(sorted(others)[:5])} for other dates" if others else "the server has none"
    raise MissingFile(
        f"{names} for {request.day}: not in the archive ({request.folder}) and not in {directory} on the FTP server "
        f"({seen}). Put the file into one of them, or run another date; nothing was changed."
    )
