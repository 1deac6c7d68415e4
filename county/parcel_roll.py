"""The county's parcel roll: a CSV of every parcel, from the archive or from ``PARCEL_ROLL_URL``."""

from __future__ import annotations

import csv
import re
import tempfile
from collections.abc import Iterator
from datetime import date
from http.client import HTTPException
from typing import Any, BinaryIO, cast
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

import psycopg

from county.archive import Archive
from county.errors import EmptyFile, IncompleteFile, IngestionError, MissingFile, PermanentIngestionError, SkipRun
from county.feed import Feed, FeedFile
from county.fetch import Fetched
from county.layouts import layout
from county.limits import LONGEST_LINE, refuse_too_large
from county.lines import as_text, bounded_lines
from county.staging import Staged, stage_file

#: ``PARCEL_ROLL_URL`` offers only the newest roll. This number of days after the business date, ``PARCEL_ROLL_URL`` may
#: already offer the next month's roll.
DAYS_PUBLISHED = 28
TIMEOUT = 120.0


class _SameScheme(HTTPRedirectHandler):
    """Follows redirects from http to http or https, and from https to https, but no other redirects."""

    def redirect_request(self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Request | None:
        """Return the next request; raise ValueError if the redirect is not allowed."""
        _check_scheme(newurl)
        if urlsplit(newurl).scheme not in (req.type, "https"):
            raise ValueError("the server redirects from https to http, which is not encrypted")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_OPENER = build_opener(_SameScheme)


def fetch_roll(feed: Feed, day: date, archive: Archive, url: str, *, today: date, refetch: bool = False) -> Fetched:
    """Return the archived roll for business date ``day``; if there is none, first archive the roll at ``url``.

    Raises MissingFile if the roll is in neither place, and IngestionError if a retry may succeed.
    """
    (file,) = feed.files
    folder = f"{feed.name}/{day.isoformat()}"
    names = sorted(archive.names(folder), key=lambda name: (int((re.findall(r"\.r(\d+)$", name) or ["1"])[0]), name))
    newest = f"{folder}/{names[-1]}" if names else None
    if newest is None or refetch:
        newest = _from_url(file, day, archive, url, newest, f"{folder}/{file.name}", len(names) + 1, today)
    size, checksum = archive.facts(newest)
    return Fetched(file.name, newest, checksum, size)


def refuse_older(connection: psycopg.Connection, feed: Feed, day: date) -> None:
    """Raise SkipRun if a newer roll is already loaded: an older roll would overwrite newer values."""
    row = connection.execute(
        "SELECT max(ingestion_date) FROM data_ingestion_logs WHERE ingestion_type = %s AND status = 'success'",
        (feed.ingestion_type,),
    ).fetchone()
    if row and row[0] and row[0] > day:
        raise SkipRun(f"the roll of {row[0]} is already loaded; the older roll of {day} would overwrite newer values")


def stage_roll(
    connection: psycopg.Connection,
    feed: Feed,
    stream: BinaryIO,
    *,
    ingestion_id: int,
    day: date,
    object_name: str,
    max_rejected_percent: float,
) -> Staged:
    """Stage the CSV ``stream`` (seekable); takes, returns and raises the same as ``stage_file``."""
    (file,) = feed.files
    try:
        return stage_file(
            connection,
            file,
            cast(BinaryIO, RollLines(stream, file)),
            ingestion_id=ingestion_id,
            feed=feed.name,
            day=day,
            object_name=object_name,
            max_rejected_percent=max_rejected_percent,
        )
    finally:
        _show_rejects_as_they_were(connection, stream, feed, day)


def _show_rejects_as_they_were(connection: psycopg.Connection, stream: BinaryIO, feed: Feed, day: date) -> None:
    """Replace the converted lines in the rejected records of ``day`` with the CSV's original lines."""
    of_the_day = (feed.name, day)
    rejects = connection.execute(
        "SELECT line_number FROM rejected_records WHERE feed = %s AND business_date = %s", of_the_day
    ).fetchall()
    if not rejects:
        return
    wanted = {int(number) for (number,) in rejects}
    stream.seek(0)
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE roll_lines (line_number integer, line text) ON COMMIT DROP")
        with cursor.copy("COPY roll_lines FROM STDIN") as copy:
            for number, line in enumerate(bounded_lines(stream), 1):
                if number in wanted and not _is_cut(line):
                    copy.write_row((number, as_text(line)))
        cursor.execute(
            "UPDATE rejected_records r SET raw_line = l.line FROM roll_lines l"
            " WHERE l.line_number = r.line_number AND r.feed = %s AND r.business_date = %s",
            of_the_day,
        )


class RollLines:
    """A stream that converts the CSV's lines to the format of a county file: the layout's columns, separated by ``^``.

    Each line keeps its line number in the CSV. A malformed CSV line is passed on unchanged, so that staging rejects it
    with a reason. Raises PermanentIngestionError if the header lacks a column.
    """

    def __init__(self, stream: BinaryIO, file: FeedFile) -> None:
        self._lines = self._convert(stream, [column.name for column in layout(file.name)])
        self._rest = b""

    def read(self, size: int) -> bytes:
        """Return the next ``size`` bytes of the converted lines, or fewer at the end."""
        parts, length = [self._rest], len(self._rest)
        for line in self._lines:
            parts.append(line)
            length += len(line)
            if length >= size:
                break
        block = b"".join(parts)
        self._rest = block[size:]
        return block[:size]

    def _convert(self, stream: BinaryIO, wanted: list[str]) -> Iterator[bytes]:
        header = _header(stream)
        places = [header.index(name) for name in wanted]
        yield b"\n"  # a blank line replaces the header, so that line numbers stay the same
        for line in bounded_lines(stream):
            fields = [] if _is_cut(line) else _fields(line)
            if not line.strip():
                yield b"\n"
            elif len(fields) != len(header):
                yield line.rstrip(b"\r\n") + b"\n"
            else:
                values = [fields[place].replace(b"^", b" ") for place in places]
                if not values[0].strip(b"0- "):
                    values[0] = b""  # a folio of zeros is not a parcel
                yield b"^".join(values) + b"\n"


def _from_url(
    file: FeedFile, day: date, archive: Archive, url: str, newest: str | None, name: str, revision: int, today: date
) -> str:
    where = f"the parcel roll of {day} is not in the archive ({name})"
    if not url:
        raise MissingFile(
            f"{where}, and PARCEL_ROLL_URL is not set. Set it, or put the CSV there; nothing was changed."
        )
    if not 0 <= (today - day).days < DAYS_PUBLISHED:
        raise MissingFile(
            f"{where}, and PARCEL_ROLL_URL offers only the newest roll, not that of {day}. Put the CSV there, or run "
            "the newest date; nothing was changed."
        )
    with tempfile.TemporaryFile() as local:
        _download(url, cast(BinaryIO, local))
        local.seek(0)
        _header(cast(BinaryIO, local))
        if not local.readline(LONGEST_LINE).strip():
            raise EmptyFile(f"the parcel roll at {url} has no parcel. Ask the county for it; nothing was changed.")
        if newest is not None:
            if archive.facts(newest)[1] == archive.checksum(cast(BinaryIO, local)):
                return newest
            name = f"{name}.r{max(revision, 2)}"
        archive.put(name, cast(BinaryIO, local))
    return name


def _download(url: str, target: BinaryIO) -> None:
    try:
        _check_scheme(url)
        with _OPENER.open(Request(url, headers={"User-Agent": "miami-dade-leads"}), timeout=TIMEOUT) as response:
            expected = response.headers.get("Content-Length")
            while block := response.read(1 << 20):
                target.write(block)
                refuse_too_large(url, target.tell())
    except HTTPError as error:
        kind = IngestionError if error.code >= 500 or error.code in (408, 429) else PermanentIngestionError
        raise kind(f"{url} answers {error.code} {error.reason}. Correct PARCEL_ROLL_URL or wait.") from error
    except ValueError as error:
        raise PermanentIngestionError(
            f"PARCEL_ROLL_URL is {url!r}: set it to an http:// or https:// address ({error})"
        ) from error
    except (URLError, HTTPException, TimeoutError, OSError) as error:
        raise IngestionError(f"the parcel roll cannot be read from {url}: {error}. Nothing was archived.") from error
    if expected is not None and target.tell() != int(expected):
        raise IncompleteFile(f"{url}: {target.tell()} of {expected} bytes arrived. Nothing was archived.")


def _check_scheme(url: str) -> None:
    """Raise ValueError if ``url`` is not an http or https URL with a host."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url} is neither an http:// nor an https:// address")


def _header(stream: BinaryIO) -> list[str]:
    line = stream.readline(LONGEST_LINE).removeprefix(b"\xef\xbb\xbf")
    names = [name.decode("latin-1").strip().upper() for name in _fields(line)]
    missing = [column.name for column in layout("parcel_roll.csv") if column.name not in names]
    if missing:
        raise PermanentIngestionError(
            f"the parcel roll's first line lacks {', '.join(missing)}. If the county renamed them, correct "
            "layouts.csv; if this is no roll, correct PARCEL_ROLL_URL. Nothing was changed."
        )
    return names


def _is_cut(line: bytes) -> bool:
    """Return whether ``bounded_lines`` cut off the end of this line."""
    return len(line.rstrip(b"\r\n")) > LONGEST_LINE


def _fields(line: bytes) -> list[bytes]:
    """Return the fields of a CSV line; a blank line has no fields, and a line with an unclosed quote has one."""
    line = line.rstrip(b"\r\n")
    if b'"' not in line:
        return line.split(b",") if line.strip() else []
    try:
        (fields,) = csv.reader([line.decode("latin-1")], strict=True)
    except (csv.Error, ValueError):
        return [line]
    return [field.encode("latin-1") for field in fields]
