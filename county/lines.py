"""Bytes of a county file → the rows that PostgreSQL's COPY reads, without touching single lines where they are plain.

The files are UTF-8 (with or without a byte order mark) or Windows-1252, with LF or CRLF ends. Decoding is decided
line by line where a block is not UTF-8 as a whole, so that one bad line does not spoil the accents of the others.

A *plain* line is one that certainly has the layout (``layouts.plain_line``): COPY splits it into its fields. Any other
is *odd*: it is set aside with its number, for PostgreSQL to judge, and COPY reads a row without values in its place.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import IO, BinaryIO

BLOCK = 1 << 20

#: How COPY has to read what ``copy_blocks`` yields.
COPY_OPTIONS = "(DELIMITER '^', NULL '', ENCODING 'UTF8')"

#: The first blank stands by itself: for a literal byte the search runs ahead, for a repetition it tries each place.
_PADDING = re.compile(rb"  *+(?=[\^\n])")

#: PostgreSQL cannot store NUL; its picture keeps the line visible, and the line is rejected for it.
_NUL_PICTURE = "␀".encode()

#: Without any other byte, nothing in a block is UTF-8 beyond ASCII, and all of it is Windows-1252.
_NEVER_WITHIN_A_LETTER = bytes(byte for byte in range(256) if not 0x80 <= byte < 0xC0)


def copy_blocks(stream: BinaryIO, plain: str, fields: int, odd: IO[bytes]) -> Iterator[bytes]:
    """Yield ``stream`` as COPY's rows of ``fields`` columns, one a line, without the blanks that pad their values.

    ``plain`` is the regular expression of a plain line without its end. To ``odd`` are written COPY's rows of number
    (from 1) and line for each line that is not plain. Memory stays at a few blocks.
    """
    # Possessive: a run of lines is one match that never looks back, at a tenth of the cost of a match a line.
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
    """Escape COPY's special characters; an empty line becomes a blank, since COPY reads an empty one as NULL."""
    line = line.replace(b"\0", _NUL_PICTURE).replace(b"\\", b"\\\\").replace(b"^", b"\\^").replace(b"\r", b"\\r")
    return line or b" "


def as_text(line: bytes) -> str:
    """One line without its end, decoded as ``copy_blocks`` would, for a person to read."""
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
        except UnicodeDecodeError:  # five bytes mean nothing in Windows-1252
            return line.decode("latin-1").encode()
    return line
