"""Converts the bytes of a county file into rows for PostgreSQL's COPY; processes plain lines in bulk.

The files are UTF-8 (with or without a byte order mark) or Windows-1252, with LF or CRLF line endings. If a block is not
valid UTF-8 as a whole, each of its lines is decoded separately, so that one Windows-1252 line does not garble the
accents in the other lines.

A *plain* line matches the regular expression ``layouts.plain_line``, which proves that it has the layout. COPY splits
a plain line into its fields. Any other line is *odd*: the line is set aside with its line number so that PostgreSQL can
check it, and COPY reads an empty row in its place.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import IO, BinaryIO

from county.limits import LONGEST_LINE, SHOWN_OF_LONG_LINE

BLOCK = 1 << 20

#: The options with which COPY must read the rows from ``copy_blocks``.
COPY_OPTIONS = "(DELIMITER '^', NULL '', ENCODING 'UTF8')"

#: The pattern starts with a literal space, because the search for a literal byte is fast. A pattern that starts with a
#: repetition would be tried at every position. A match starts only at the first of several consecutive spaces, so the
#: time grows only linearly with the number of spaces.
_PADDING = re.compile(rb" (?<!  ) *+(?=[\^\n])")

#: PostgreSQL cannot store a NUL byte. This symbol replaces NUL bytes, so that the rejected line can be stored and
#: shown.
_NUL_PICTURE = "␀".encode()

#: All bytes except UTF-8's continuation bytes. A block that is not pure ASCII and has no continuation bytes cannot be
#: UTF-8, so the whole block is read as Windows-1252.
_NEVER_WITHIN_A_LETTER = bytes(byte for byte in range(256) if not 0x80 <= byte < 0xC0)


def copy_blocks(stream: BinaryIO, plain: str, fields: int, odd: IO[bytes]) -> Iterator[bytes]:
    """Yield one COPY row of ``fields`` columns for each line of ``stream``; the spaces that pad values are removed.

    ``plain`` is the regular expression that a plain line matches, without its line ending. For each odd line, a COPY
    row is written to ``odd``: the line's number (from 1), whether the line was cut because it is longer than
    ``LONGEST_LINE``, and its text. The function holds only a few blocks in memory.
    """
    # The possessive pattern never backtracks. It matches many plain lines at once, because matching line by line takes
    # ten times as long.
    run = re.compile(b"(?:" + plain.encode() + rb"\n)++")
    nothing = b"^" * (fields - 1) + b"\n"
    number = 1
    for lines in whole_lines(stream):
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
                if lines[at:end].strip():  # a blank line is not a record
                    odd.write(_odd_row(number, lines[at:end]))
                number += 1
                at = end + 1
        yield b"".join(rows)


def whole_lines(stream: BinaryIO) -> Iterator[bytes]:
    """Yield blocks of whole lines.

    The middle of a line longer than ``LONGEST_LINE`` is dropped, but the shortened line is still longer than
    ``LONGEST_LINE``.
    """
    rest = b""
    first = True
    while block := stream.read(BLOCK):
        if first:
            block = block.removeprefix(codecs.BOM_UTF8)
            first = False
        end = block.rfind(b"\n") + 1
        if end:
            yield rest + block[:end]
            rest = block[end:]
        elif len(rest) <= LONGEST_LINE:
            rest += block
    if rest:
        yield rest + b"\n"


def _odd_row(number: int, line: bytes) -> bytes:
    if len(line) <= LONGEST_LINE:
        return b"%d^f^%b\n" % (number, _escape(line))
    shown = line[:SHOWN_OF_LONG_LINE].decode(errors="ignore").encode()
    return b"%d^t^%b\n" % (number, _escape(shown + "…".encode()))


def _escape(line: bytes) -> bytes:
    """Escape COPY's special characters; an empty line becomes one space, because COPY reads an empty line as NULL."""
    line = line.replace(b"\0", _NUL_PICTURE).replace(b"\\", b"\\\\").replace(b"^", b"\\^").replace(b"\r", b"\\r")
    return line or b" "


def bounded_lines(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of ``stream`` with their line endings; cut each line after at most ``LONGEST_LINE`` + 1 bytes."""
    while line := stream.readline(LONGEST_LINE + 1):
        yield line
        while len(line) > LONGEST_LINE and not line.endswith(b"\n"):
            line = stream.readline(LONGEST_LINE + 1)


def as_text(line: bytes) -> str:
    """Return a line as text for a person to read, decoded as in ``copy_blocks`` and without its line ending."""
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
