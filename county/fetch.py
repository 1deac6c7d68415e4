"""FTP server → archive. The archive is what a run reads; the server shows only the newest files."""

from __future__ import annotations

import io
import logging
import os
import re
import tempfile
import time
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from county.archive import Archive
from county.dates import can_still_come, file_date, parse_name, writing_window
from county.errors import (
    DamagedFile,
    EmptyFile,
    FileStillChanging,
    LoginRefused,
    MissingFile,
    ServerUnreachable,
    SkipRun,
    StaleFile,
    StorageFull,
)
from county.feeds import Feed, FeedFile
from leads.business_days import is_business_day, previous_business_day

log = logging.getLogger(__name__)

#: A file that was written so recently may still be growing: it is looked at again after a pause (s).
FRESH = timedelta(minutes=2)
PAUSE = 5.0


class FileServer(Protocol):
    """What fetching needs of the county's server; ``county.hooks`` has the one for FTP."""

    def names(self, folder: str) -> list[str]:
        """The bare names of the files in ``folder``; none for an empty folder."""

    def facts(self, path: str) -> tuple[int, datetime]:
        """Size in bytes and modification time (aware) of a file."""

    def download(self, path: str, target: BinaryIO, size: int) -> None:
        """Writes the file's ``size`` bytes, going on where a connection was lost; raises IncompleteFile for fewer."""


@dataclass(frozen=True)
class Fetched:
    """A file of the run: ``object_name`` is relative to ``ARCHIVE_URL``."""

    file: str
    object_name: str
    checksum: str
    bytes: int


@dataclass(frozen=True)
class FetchRequest:
    """What a run wants: the files of ``feed`` for business date ``day``."""

    feed: Feed
    day: date
    lag_days: int = 0
    refetch: bool = False

    @property
    def folder(self) -> str:
        return f"{self.feed.name}/{self.day.isoformat()}"

    def stems(self, file: FeedFile) -> set[str]:
        """The Clerk's own daily file carries nothing but its date as a name, inside its zip."""
        return {file.stem, ""} if file.stem == "dly_records" else {file.stem}

    def belongs(self, file: FeedFile, name: str) -> bool:
        parsed = parse_name(name)
        return parsed is not None and parsed[0] in self.stems(file)


def fetch_files(request: FetchRequest, server: FileServer, archive: Archive, *, now: datetime) -> list[Fetched]:
    """Archives what the run needs and is not archived yet; returns the files to read, in the feed's order.

    Raises NothingToDo on a holiday without files, MissingFile, EmptyFile or StaleFile for a required file, and
    IncompleteFile or FileStillChanging when the next try may do better. An optional file may be missing.
    """
    archived = {file.name: _archived(request, file, archive) for file in request.feed.files}
    enough = not request.refetch and all(archived[file.name] for file in request.feed.files if file.required)
    found = []
    missing = []
    for file in request.feed.files:
        fetched = archived[file.name]
        if fetched is None or request.refetch:
            try:
                fetched = _from_server(request, file, server, archive, now) or fetched
            except (ServerUnreachable, LoginRefused) as error:
                if not enough:
                    raise
                log.warning("The archive has all that %s needs, so this stops nothing: %s", request.day, error)
        if fetched is not None:
            found.append(fetched)
        elif file.required:
            missing.append(file)
        else:
            log.warning("No %s for %s: going on without it", file.name, request.day)
    if missing:
        _explain_missing(request, missing, server, nothing_found=not found)
    return found


def files_are_there(request: FetchRequest, server: FileServer, archive: Archive, *, now: datetime) -> bool:
    """Whether fetching can start: every required file is archived or on the server, or waiting is over.

    The daily file of a holiday is not waited for; a weekly or monthly one that falls on a holiday is.
    """
    closed = request.feed.name == "daily" and not is_business_day(request.day)
    if closed or not can_still_come(request.day, now):
        return True
    return all(
        _archived(request, file, archive) is not None or _on_server(request, file, server) is not None
        for file in request.feed.files
        if file.required
    )


def open_lines(archive: Archive, object_name: str, stem: str) -> BinaryIO:
    """The text file inside an archived object, unzipped when it is a zip.

    Raises EmptyFile for a zip without one and DamagedFile for what is no zip.
    """
    stream = archive.open(object_name)
    if not re.search(r"\.zip(?:\.r\d+)?$", object_name, re.IGNORECASE):
        return stream
    return _member(stream, object_name, stem)


def _member(stream: BinaryIO, name: str, stem: str) -> BinaryIO:
    with _readable(name):
        members = zipfile.ZipFile(stream)
        texts = [name for name in members.namelist() if name.lower().endswith(".exp")]
        named = [name for name in texts if (parse_name(Path(name).name) or ("",))[0] == stem]
        if not texts:
            raise EmptyFile(f"{name} holds no .exp file; ask the county for the day's file")
        return cast(BinaryIO, members.open((named or texts)[0]))


@contextmanager
def _readable(name: str) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise DamagedFile(
            f"{name} is a zip that cannot be read: {error}. Ask the county for the file again, then clear this task "
            "(if it is archived already, run the date with the parameter refetch); nothing was changed."
        ) from error


def _revisions(request: FetchRequest, file: FeedFile, archive: Archive) -> list[tuple[int, str]]:
    """(revision, name) of the file among the archived objects of the day, oldest first."""
    found = []
    for name in archive.names(request.folder):
        match = re.fullmatch(r"(?P<base>.+?)(?:\.r(?P<revision>\d+))?", name)
        assert match is not None
        if request.belongs(file, match["base"]):
            found.append((int(match["revision"] or 1), name))
    return sorted(found)


def _archived(request: FetchRequest, file: FeedFile, archive: Archive) -> Fetched | None:
    """The newest revision of the file, if there is any."""
    revisions = _revisions(request, file, archive)
    return _fetched(archive, file, f"{request.folder}/{revisions[-1][1]}") if revisions else None


def _fetched(archive: Archive, file: FeedFile, object_name: str) -> Fetched:
    size, checksum = archive.facts(object_name)
    return Fetched(file.name, object_name, checksum, size)


def _on_server(request: FetchRequest, file: FeedFile, server: FileServer) -> str | None:
    """The name on the server of the day's file: the dated one, else an undated one written in the day's window."""
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
    # Without a name in the folder: a task that is killed leaves nothing there, and it holds personal data.
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
            f"{name} does not go into the temporary folder {folder} of {os.uname().nodename}: "
            f"{error.strerror or error}. Make room there or let TMPDIR name another folder; nothing was archived, the "
            "next try goes on."
        ) from error


def _download(server: FileServer, path: str, local: BinaryIO, now: datetime) -> None:
    """A download is whole only when its size is the server's, before and after."""
    before = server.facts(path)
    if now - before[1] < FRESH:
        time.sleep(PAUSE)
    server.download(path, local, before[0])
    local.flush()
    after = server.facts(path)
    if before != after or local.tell() != after[0]:
        raise FileStillChanging(
            f"{path} changed while it was read ({before[0]} bytes, then {after[0]}; {local.tell()} arrived): the "
            "county is still writing it. Nothing was archived; the next try reads it anew."
        )


def _refuse_empty(request: FetchRequest, file: FeedFile, name: str, local: BinaryIO) -> None:
    """Also reads a zip to its end, which proves its checksums; what is archived can be read."""
    zipped = name.lower().endswith(".zip")
    local.seek(0)
    stream = _member(local, name, file.stem) if zipped else local
    with _readable(name):
        empty = not any(line.strip() and not re.fullmatch(rb"\d{20}\s*", line) for line in stream)
        while zipped and stream.read(1 << 20):
            pass
    if empty and file.required and request.feed.name == "daily":
        raise EmptyFile(
            f"{name} for {request.day} holds no record. Ask the county for the day's file, then run the date again; "
            "nothing was archived or changed."
        )


def _refuse_yesterdays(request: FetchRequest, file: FeedFile, name: str, local: BinaryIO, archive: Archive) -> None:
    if not file.required or request.feed.name != "daily":
        return
    before = FetchRequest(request.feed, previous_business_day(request.day))
    earlier = _archived(before, file, archive)
    if earlier is not None and _same(earlier, local, archive):
        raise StaleFile(
            f"{name} for {request.day} is identical to the file of {before.day}: the county has not published the new "
            "one. Run the date again when it has; nothing was archived or changed."
        )


def _same(archived: Fetched, local: BinaryIO, archive: Archive) -> bool:
    return archived.bytes == local.seek(0, io.SEEK_END) and archived.checksum == archive.checksum(local)


def _name_in_archive(request: FetchRequest, file: FeedFile, name: str, local: BinaryIO, archive: Archive) -> str:
    """The server's name; for a correction (``refetch``) the next revision of it."""
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
    if nothing_found and request.feed.name == "daily" and not is_business_day(request.day):
        raise SkipRun(f"{request.day} is no business day of the county, and there is no file for it")
    names = " and ".join(file.name for file in missing)
    directory = request.feed.directory
    others = [name for name in server.names(directory) if any(request.belongs(file, name) for file in missing)]
    seen = f"the server has {', '.join(sorted(others)[:5])} for other dates" if others else "the server has none"
    raise MissingFile(
        f"{names} for {request.day}: not in the archive ({request.folder}) and not in {directory} on the FTP server "
        f"({seen}). Put the file on either, or run another date; nothing was changed."
    )
