"""The archive: what the county published, kept for good under its business date.

``{ARCHIVE_URL}/{feed}/{business date}/{name on the server}``. An object appears under its name only when whole and is
never overwritten by another content; a corrected file lies beside it as ``{name}.r2``. Objects hold personal data and
are readable by their owner only.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import unquote, urlsplit

from county.errors import ArchiveConflict, GiveUp


class Archive(Protocol):
    """Where archived objects lie. Names are relative to ``ARCHIVE_URL``: ``daily/2026-11-20/Cases.exp``."""

    def names(self, folder: str) -> list[str]:
        """The names of the objects in ``folder``, sorted; none for a folder that is not there."""

    def put(self, name: str, source: Path) -> None:
        """Archives the file ``source``; the same content again changes nothing, another raises ArchiveConflict."""

    def facts(self, name: str) -> tuple[int, str]:
        """Size in bytes and checksum of an object; raises FileNotFoundError."""

    def checksum(self, source: Path) -> str:
        """The checksum that the file ``source`` would have as an object."""

    def open(self, name: str) -> BinaryIO:
        """The object for reading, seekable; raises FileNotFoundError."""


def open_archive(url: str) -> Archive:
    """The archive at ``url`` (``file:///folder``); raises GiveUp for an address that no archive serves."""
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.path and not parts.netloc:
        return FileArchive(Path(unquote(parts.path)))
    raise GiveUp(f"ARCHIVE_URL is {url!r}: this release archives to file:///folder only")


class FileArchive:
    """An archive in a folder of this machine (or of a file system that all of them mount)."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def names(self, folder: str) -> list[str]:
        try:
            return sorted(entry.name for entry in os.scandir(self.root / folder) if not entry.name.startswith("."))
        except FileNotFoundError:
            return []

    def put(self, name: str, source: Path) -> None:
        target = self.root / name
        try:
            self._folder(target.parent)
            with _partial_file(target.parent) as partial:
                _copy_durably(source, partial)
                # A hard link fails when the name is taken, which a rename would not.
                os.link(partial, target)
        except FileExistsError:
            if self.facts(name) != (source.stat().st_size, self.checksum(source)):
                raise ArchiveConflict(
                    f"{name} is already archived with another content. If the county corrected the file, run the "
                    "date again with the parameter refetch; the correction is archived beside it."
                ) from None
        except OSError as error:
            raise GiveUp(
                f"cannot archive {name} below {self.root}: {error.strerror}. Make room or make the folder writable "
                "and run the task again; nothing was staged."
            ) from error

    def facts(self, name: str) -> tuple[int, str]:
        path = self.root / name
        return path.stat().st_size, self.checksum(path)

    def checksum(self, source: Path) -> str:
        with source.open("rb") as stream:
            return "sha256:" + hashlib.file_digest(stream, "sha256").hexdigest()

    def open(self, name: str) -> BinaryIO:
        return (self.root / name).open("rb")

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


def _copy_durably(source: Path, target: Path) -> None:
    with source.open("rb") as reader, target.open("wb") as writer:
        while block := reader.read(1 << 20):
            writer.write(block)
        writer.flush()
        os.fsync(writer.fileno())
