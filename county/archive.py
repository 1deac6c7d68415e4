"""The archive: permanent copies of the county's files, stored by business date.

An object's URL is ``{ARCHIVE_URL}/{feed}/{business date}/{name on the server}``. An object appears under its name only
when it is complete, and it is never overwritten with different content. A corrected file is stored next to the first
file as ``{name}.r2``. Objects contain personal data. In a local archive, only the user who stored a file may read it;
in a bucket, access rules protect the objects.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast
from urllib.parse import unquote, urlsplit

from county.errors import (
    STORAGE_FULL_ERRNOS,
    ArchiveUnavailable,
    IngestionError,
    PermanentIngestionError,
    archive_conflict,
    not_archived,
)

#: A partial file older than this number of seconds belongs to a killed task, because no task runs that long.
ABANDONED_AFTER = 7200


class Archive(Protocol):
    """A place that stores objects. Names are relative to ``ARCHIVE_URL``, such as ``daily/2026-11-20/Cases.exp``.

    Every method raises ArchiveUnavailable when a retry may succeed and PermanentIngestionError when a retry cannot
    help.
    """

    def names(self, folder: str) -> list[str]:
        """Return the sorted names of the objects in ``folder``, or an empty list if the folder is missing."""

    def put(self, name: str, source: BinaryIO) -> None:
        """Archive ``source`` as ``name``; raise ArchiveConflict if ``name`` already has different content."""

    def facts(self, name: str) -> tuple[int, str]:
        """Return the size (bytes) and checksum of an object; raise NotArchived for a missing object."""

    def checksum(self, source: BinaryIO) -> str:
        """Return the checksum that the file ``source`` would have in this archive."""

    def open(self, name: str) -> BinaryIO:
        """Open an object as a seekable stream that is not held in memory; raise NotArchived for a missing object."""

    def remove_folders_before(self, folder: str, day: date, *, dry_run: bool) -> int:
        """Remove the old objects ``{folder}/{rule}/{YYYY-MM-DD}/…``; return the number of old objects.

        Objects dated ``day`` or later are kept. If ``dry_run`` is true, the old objects are counted but not removed.
        """


def open_archive(url: str) -> Archive:
    """Return the archive at ``url`` (``file:///folder``, ``gs://bucket/folder``).

    Raises PermanentIngestionError for a URL in any other form.
    """
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.path and not parts.netloc:
        return FileArchive(Path(unquote(parts.path)))
    if parts.scheme == "gs" and parts.netloc:
        from county.gcs_archive import GcsArchive  # a slow import, needed only for a bucket

        return GcsArchive(parts.netloc, unquote(parts.path).strip("/"))
    raise PermanentIngestionError(f"ARCHIVE_URL is {url!r}: set it to gs://bucket/folder or file:///folder")


class FileArchive:
    """An archive in a folder on this machine, or on a file system that all Airflow workers mount."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def names(self, folder: str) -> list[str]:
        """Return the sorted names of the files in ``folder``."""
        with self._explained(f"list {folder}"):
            try:
                with os.scandir(self.root / folder) as entries:
                    return sorted(entry.name for entry in entries if not entry.name.startswith("."))
            except FileNotFoundError:
                return []

    def put(self, name: str, source: BinaryIO) -> None:
        """Write a file to disk completely, then give it its name in the archive."""
        target = self.root / name
        with self._explained(f"store {name}"):
            self._folder(target.parent)
            _sweep(target.parent)
            try:
                with _partial_file(target.parent) as partial:
                    _copy_durably(source, partial)
                    # A hard link fails if the name is taken; a rename would overwrite the existing file.
                    os.link(partial, target)
                _sync_folder(target.parent)
            except FileExistsError:
                if self.facts(name) != (os.fstat(source.fileno()).st_size, self.checksum(source)):
                    raise archive_conflict(name) from None

    def facts(self, name: str) -> tuple[int, str]:
        """Return the size (bytes) and checksum of a file."""
        with self.open(name) as stream:
            return os.fstat(stream.fileno()).st_size, self.checksum(stream)

    def checksum(self, source: BinaryIO) -> str:
        """Return the SHA-256 of ``source`` in the form that ``facts`` returns."""
        source.seek(0)
        return "sha256:" + hashlib.file_digest(cast(Any, source), "sha256").hexdigest()

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading."""
        with self._explained(f"read {name}"):
            try:
                return (self.root / name).open("rb")
            except FileNotFoundError:
                raise not_archived(name, str(self.root)) from None

    def remove_folders_before(self, folder: str, day: date, *, dry_run: bool) -> int:
        """Remove the dated folders before ``day`` with their files."""
        old = [path for path in (self.root / folder).glob("*/????-??-??") if path.name < day.isoformat()]
        with self._explained(f"remove old files of {folder}"):
            count = sum(1 for path in old for file in path.iterdir() if file.is_file())
            for path in [] if dry_run else old:
                shutil.rmtree(path)
        return count

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._trouble(error, what) from error

    def _trouble(self, error: OSError, what: str) -> IngestionError:
        said = f"cannot {what} in the archive {self.root}: {error.strerror}"
        if error.errno in STORAGE_FULL_ERRNOS:
            return ArchiveUnavailable(f"{said}. Free space there; nothing was staged; the next try continues.")
        if isinstance(error, PermissionError | NotADirectoryError | IsADirectoryError) or error.errno == errno.EROFS:
            return PermanentIngestionError(
                f"{said}. Let the user that Airflow runs as read and write there, or correct ARCHIVE_URL, then clear "
                "this task; nothing was staged."
            )
        return ArchiveUnavailable(f"{said}. Check that disk; nothing was staged; the next try continues.")

    def _folder(self, folder: Path) -> None:
        missing = [f for f in (folder, *folder.parents) if not f.exists()]
        for part in reversed(missing):
            part.mkdir(mode=0o700, exist_ok=True)


@contextmanager
def _partial_file(folder: Path) -> Iterator[Path]:
    handle, name = tempfile.mkstemp(prefix=".partial-", dir=folder)  # mode 0600
    os.close(handle)
    partial = Path(name)
    try:
        yield partial
    finally:
        partial.unlink(missing_ok=True)


def _sweep(folder: Path) -> None:
    """Remove the partial files that killed tasks left behind: all partial files older than ``ABANDONED_AFTER``."""
    for partial in folder.glob(".partial-*"):
        with suppress(FileNotFoundError):
            if time.time() - partial.stat().st_mtime > ABANDONED_AFTER:
                partial.unlink()


def _copy_durably(source: BinaryIO, target: Path) -> None:
    source.seek(0)
    with target.open("wb") as writer:
        while block := source.read(1 << 20):
            writer.write(block)
        writer.flush()
        os.fsync(writer.fileno())


def _sync_folder(folder: Path) -> None:
    """Sync the folder to disk, so that a new file's name survives a crash."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
