"""Opens the county's text files, some of which are inside zips."""

from __future__ import annotations

import errno
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from county.archive import Archive
from county.dates import parse_name
from county.errors import DamagedFile, EmptyFile
from county.limits import refuse_too_large

#: In bytes. A directory entry takes about a hundred bytes, and the county's zips have only a few members.
LARGEST_DIRECTORY = 1 << 20
#: The maximum size (bytes) of the record at the end of a zip, including the longest possible comment.
LARGEST_END_RECORD = 22 + 0xFFFF
#: Compression methods whose unpacking needs only a bounded amount of memory.
BOUNDED_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def open_lines(archive: Archive, object_name: str, stem: str) -> BinaryIO:
    """Open the text file of an archived object; if the object is a zip, unzip the file.

    Raises EmptyFile for a zip without a text file, DamagedFile for a zip that cannot be read, and FileTooLarge for a
    file above the limit.
    """
    stream = archive.open(object_name)
    if not re.search(r"\.zip(?:\.r\d+)?$", object_name, re.IGNORECASE):
        return stream
    return zip_member(stream, object_name, stem)


def zip_member(stream: BinaryIO, name: str, stem: str) -> BinaryIO:
    """Open the zip's text file with the stem ``stem``, or else its first text file; raises what ``open_lines`` raises.

    Reading a member never yields more bytes than the zip's directory states, so the size is known before unpacking.
    """
    with readable_zip(name):
        _refuse_large_directory(stream)
        members = zipfile.ZipFile(stream)
        texts = [name for name in members.namelist() if name.lower().endswith(".exp")]
        named = [name for name in texts if (parse_name(Path(name).name) or ("",))[0] == stem]
        if not texts:
            raise EmptyFile(f"{name} contains no .exp file; ask the county for the day's file")
        member = members.getinfo((named or texts)[0])
        if member.compress_type not in BOUNDED_METHODS:
            raise zipfile.BadZipFile(f"{member.filename} is packed by method {member.compress_type}, not by deflate")
        refuse_too_large(name, member.file_size)
        return cast(BinaryIO, members.open(member))


def _refuse_large_directory(stream: BinaryIO) -> None:
    """Raise BadZipFile if the zip's directory is too large, because zipfile reads the whole directory into memory.

    The record at the end of the zip states the directory's size. Zip64 files, which state the size in another record,
    are refused, because the county does not need them.
    """
    start = max(stream.seek(0, io.SEEK_END) - LARGEST_END_RECORD, 0)
    stream.seek(start)
    end = stream.read(LARGEST_END_RECORD)
    stream.seek(0)
    at = end.rfind(b"PK\x05\x06")
    if at < 0:
        return  # zipfile reports that the file is not a zip
    if end[max(at - 20, 0) : at].startswith(b"PK\x06\x07"):
        raise zipfile.BadZipFile("it is a zip64 file")
    if int.from_bytes(end[at + 12 : at + 16], "little") > LARGEST_DIRECTORY:
        raise zipfile.BadZipFile(f"its directory is larger than {LARGEST_DIRECTORY} bytes")


@contextmanager
def readable_zip(name: str) -> Iterator[None]:
    """Raise DamagedFile with a remedy in its message if the code in the ``with`` block cannot read the zip."""
    try:
        yield
    # zipfile raises ValueError or OSError (EINVAL) for a negative offset, and ValueError for a name that is not UTF-8.
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError) as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise
        raise DamagedFile(
            f"{name} is a zip that cannot be read: {error}. Ask the county for the file again, then clear this task "
            "(if it is archived already, run the date with the parameter refetch); nothing was changed."
        ) from error
