"""Converts the bytes of a county file into rows for PostgreSQL's COPY, many lines at a time where lines are plain.

The files are UTF-8 (with or without a byte order mark) or Windows-1252, with LF or CRLF line ends. If a block is not
valid UTF-8 as a whole, each of its lines is decoded separately, so that one Windows-1252 line does not garble the
accents in the other lines.

A *plain* line matches the regular expression ``layouts.plain_line`` and so certainly has the layout: COPY splits it
into its fields. Any other line is *odd*: it is kept aside with its number, for PostgreSQL to check, and COPY reads an
empty row in its place.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import IO, BinaryIO

BLOCK = 1 << 20

#: The options with which COPY must read the rows from ``copy_blocks``.
COPY_OPTIONS = "(DELIMITER '^', NULL '', ENCODING 'UTF8')"

#: The pattern starts with a literal blank, because the search for a literal byte is fast; a repetition would be tried
#: at every position.
_PADDING = re.compile(rb"  *+(?=[\^\n])")

#: PostgreSQL cannot store a NUL byte. This symbol replaces NUL bytes, so that the line can be rejected and shown.
_NUL_PICTURE = "␀".encode()

#: Bytes that never occur inside a multibyte UTF-8 character. If a block has no other bytes and is not ASCII, all of it
#: is Windows-1252.
_NEVER_WITHIN_A_LETTER = bytes(byte for byte in range(256) if not 0x80 <= byte < 0xC0)


def copy_blocks(stream: BinaryIO, plain: str, fields: int, odd: IO[bytes]) -> Iterator[bytes]:
    """Yield one COPY row of ``fields`` columns for each line of ``stream``, without the blanks that pad values.

    ``plain`` is the regular expression of a plain line, without the line end. For each odd line, a COPY row with the
    line's number (from 1) and its text is written to ``odd``. The function holds only a few blocks in memory.
    """
    # The possessive pattern matches many plain lines at once and never backtracks; matching line by line costs ten
    # times as much.
    run = re.compile(b"(?:" + plain.encode() + rb"\n)++")
    nothing = b"^" * (fields - 1) + b"\n"
    number = 1
    for lines in _whole_lines(stream):
        lines = _to_utf8(lines).replace(b"\r\n", b"\n")
        rows = []
        at = 0
        while at < len(lines):
            if found := run.match(lines, at):
                rows.append(_PADDING.sub(b"", found[0]))
                number += found[0].count(b"\n")
                at = found.end()
            else:
                end = lines.index(b"\n", at)
                rows.append(nothing)
                odd.write(b"%d^%b\n" % (number, _escape(lines[at:end])))
                number += 1
                at = end + 1
        yield b"".join(rows)


def _whole_lines(stream: BinaryIO) -> Iterator[bytes]:
    rest = b""
    first = True
    while block := stream.read(BLOCK):
        if first:
            block = block.removeprefix(codecs.BOM_UTF8)
            first = False
        end = block.rfind(b"\n") + 1
        if not end:
            rest += block
            continue
        yield rest + block[:end]
        rest = block[end:]
    if rest:
        yield rest + b"\n"


def _escape(line: bytes) -> bytes:
    """Escape COPY's special characters; an empty line becomes a blank, because COPY reads an empty line as NULL."""
    line = line.replace(b"\0", _NUL_PICTURE).replace(b"\\", b"\\\\").replace(b"^", b"\\^").replace(b"\r", b"\\r")
    return line or b" "


def as_text(line: bytes) -> str:
    """Return a line without its line end, decoded as in ``copy_blocks``, for a person to read."""
    return _line_to_utf8(line.rstrip(b"\r\n")).replace(b"\0", _NUL_PICTURE).decode()


def _to_utf8(lines: bytes) -> bytes:
    try:
        lines.decode()
    except UnicodeDecodeError:
        if not lines.translate(None, _NEVER_WITHIN_A_LETTER):
            return lines.decode("cp1252").encode()
        return b"\n".join([line if line.isascii() else _line_to_utf8(line) for line in lines.split(b"\n")])
    return lines


def _line_to_utf8(line: bytes) -> bytes:
    try:
        line.decode()
    except UnicodeDecodeError:
        try:
            return line.decode("cp1252").encode()
        except UnicodeDecodeError:  # Windows-1252 leaves five bytes undefined
            return line.decode("latin-1").encode()
    return line
