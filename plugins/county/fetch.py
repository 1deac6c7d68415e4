"""FTP server → archive. The archive is what a run reads; the server shows only the newest files."""

from __future__ import annotations

import logging
import re
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from county.archive import Archive
from county.dates import can_still_come, file_date, parse_name, writing_window
from county.errors import EmptyFile, FileStillChanging, IncompleteFile, MissingFile, NothingToDo, StaleFile
from county.feeds import Feed, FeedFile
from leads.days import is_business_day, previous_business_day

log = logging.getLogger(__name__)


class FileServer(Protocol):
    """What fetching needs of the county's server; ``county.hooks`` has the one for FTP."""

    def names(self, folder: str) -> list[str]:
        """The bare names of the files in ``folder``; none for an empty folder."""

    def facts(self, path: str) -> tuple[int, datetime]:
        """Size in bytes and modification time (aware) of a file."""

    def download(self, path: str, target: BinaryIO) -> None:
        """Appends the file's bytes from ``target``'s position on (a resumed download continues there)."""


@dataclass(frozen=True)
class Fetched:
    """A file of the run: ``object_name`` is relative to ``ARCHIVE_URL``."""

    file: str
    object_name: str
    checksum: str
    bytes: int


@dataclass(frozen=True)
class Request:
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


def fetch_files(request: Request, server: FileServer, archive: Archive, *, now: datetime) -> list[Fetched]:
    """Archives what the run needs and is not archived yet; returns the files to read, in the feed's order.

    Raises NothingToDo on a holiday without files, MissingFile, EmptyFile or StaleFile for a required file, and
    IncompleteFile or FileStillChanging when the next try may do better. An optional file may be missing.
    """
    found = []
    missing = []
    for file in request.feed.files:
        fetched = _archived(request, file, archive)
        if fetched is None or request.refetch:
            fetched = _from_server(request, file, server, archive) or fetched
        if fetched is not None:
            found.append(fetched)
        elif file.required:
            missing.append(file)
        else:
            log.warning("No %s for %s: going on without it", file.name, request.day)
    if missing:
        _explain_missing(request, missing, server, nothing_found=not found, now=now)
    return found


def files_are_there(request: Request, server: FileServer, archive: Archive, *, now: datetime) -> bool:
    """Whether fetching can start: every required file is archived or on the server, or waiting is over."""
    if not can_still_come(request.day, now) or not is_business_day(request.day):
        return True
    return all(
        _archived(request, file, archive) is not None or _on_server(request, file, server) is not None
        for file in request.feed.files
        if file.required
    )


def open_lines(archive: Archive, object_name: str, stem: str) -> BinaryIO:
    """The text file inside an archived object, unzipped when it is a zip; raises EmptyFile for a zip without one."""
    stream = archive.open(object_name)
    if not re.search(r"\.zip(?:\.r\d+)?$", object_name, re.IGNORECASE):
        return stream
    return _member(stream, object_name, stem)


def _member(stream: BinaryIO, object_name: str, stem: str) -> BinaryIO:
    members = zipfile.ZipFile(stream)
    texts = [name for name in members.namelist() if name.lower().endswith(".exp")]
    named = [name for name in texts if (parse_name(Path(name).name) or ("",))[0] == stem]
    if not texts:
        raise EmptyFile(f"{object_name} holds no .exp file; ask the county for the day's file")
    return cast(BinaryIO, members.open((named or texts)[0]))


def _archived(request: Request, file: FeedFile, archive: Archive) -> Fetched | None:
    """The newest revision of the file among the archived objects of the day."""
    revisions = []
    for name in archive.names(request.folder):
        match = re.fullmatch(r"(?P<base>.+?)(?:\.r(?P<revision>\d+))?", name)
        base, revision = (match["base"], match["revision"] or "1") if match else (name, "1")
        if request.belongs(file, base):
            revisions.append((int(revision), name))
    if not revisions:
        return None
    return _fetched(archive, file, f"{request.folder}/{max(revisions)[1]}")


def _fetched(archive: Archive, file: FeedFile, object_name: str) -> Fetched:
    size, checksum = archive.facts(object_name)
    return Fetched(file.name, object_name, checksum, size)


def _on_server(request: Request, file: FeedFile, server: FileServer) -> str | None:
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


def _from_server(request: Request, file: FeedFile, server: FileServer, archive: Archive) -> Fetched | None:
    name = _on_server(request, file, server)
    if name is None:
        return None
    with tempfile.TemporaryDirectory(prefix="county-") as folder:
        local = Path(folder) / name
        _download(server, f"{request.feed.directory}/{name}", local)
        if file.required and request.feed.name == "daily":
            _refuse_empty(request, file, local)
            _refuse_yesterdays(request, file, local, archive)
        object_name = _name_in_archive(request, file, name, local, archive)
        archive.put(object_name, local)
    return _fetched(archive, file, object_name)


def _download(server: FileServer, path: str, local: Path) -> None:
    """A download is whole only when its size is the server's, before and after."""
    before = server.facts(path)
    with local.open("wb") as target:
        server.download(path, target)
    after = server.facts(path)
    size = local.stat().st_size
    if before != after:
        raise FileStillChanging(
            f"{path} changed while it was read ({before[0]} bytes, then {after[0]}): the county is still writing it. "
            "Nothing was archived; the next try reads it anew."
        )
    if size != after[0]:
        raise IncompleteFile(
            f"{path}: {size} of {after[0]} bytes arrived although the server reported success. "
            "Nothing was archived; the next try reads it anew."
        )


def _refuse_empty(request: Request, file: FeedFile, local: Path) -> None:
    zipped = local.suffix.lower() == ".zip"
    with _member(local.open("rb"), local.name, file.stem) if zipped else local.open("rb") as stream:
        records = (line for line in stream if line.strip() and not re.fullmatch(rb"\d{20}\s*", line))
        if next(records, None) is None:
            raise EmptyFile(
                f"{local.name} for {request.day} holds no record. Ask the county for the day's file, then run the date "
                "again; nothing was archived or changed."
            )


def _refuse_yesterdays(request: Request, file: FeedFile, local: Path, archive: Archive) -> None:
    before = Request(request.feed, previous_business_day(request.day))
    earlier = _archived(before, file, archive)
    if earlier is not None and (earlier.bytes, earlier.checksum) == (
        local.stat().st_size,
        archive.checksum(local),
    ):
        raise StaleFile(
            f"{local.name} for {request.day} is identical to the file of {before.day}: the county has not published "
            "the new one. Run the date again when it has; nothing was archived or changed."
        )


def _name_in_archive(request: Request, file: FeedFile, name: str, local: Path, archive: Archive) -> str:
    """The server's name; for a correction (``refetch``) the next free revision of it."""
    newest = _archived(request, file, archive)
    if newest is None:
        return f"{request.folder}/{name}"
    if (newest.bytes, newest.checksum) == (local.stat().st_size, archive.checksum(local)):
        return newest.object_name
    taken = set(archive.names(request.folder))
    revision = next(n for n in range(2, len(taken) + 3) if f"{name}.r{n}" not in taken)
    return f"{request.folder}/{name}.r{revision}"


def _explain_missing(
    request: Request, missing: Sequence[FeedFile], server: FileServer, *, nothing_found: bool, now: datetime
) -> None:
    if nothing_found and request.feed.name == "daily" and not is_business_day(request.day):
        raise NothingToDo(f"{request.day} is no business day of the county, and there is no file for it")
    names = " and ".join(file.name for file in missing)
    directory = request.feed.directory
    others = [name for name in server.names(directory) if any(request.belongs(file, name) for file in missing)]
    seen = f"the server has {', '.join(sorted(others)[:5])} for other dates" if others else "the server has none"
    raise MissingFile(
        f"{names} for {request.day}: not in the archive ({request.folder}) and not in {directory} on the FTP server "
        f"({seen}). Put the file on either, or run another date; nothing was changed."
    )
