"""Bytes of a county file → the text stream that PostgreSQL's COPY reads, without touching single lines.

The files are UTF-8 (with or without a byte order mark) or Windows-1252, with LF or CRLF ends. Decoding is decided
line by line where a block is not UTF-8 as a whole, so that one bad line does not spoil the accents of the others.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import BinaryIO

BLOCK = 1 << 20

#: PostgreSQL cannot store NUL; its picture keeps the line visible, and the line is rejected for it.
_NUL_PICTURE = "␀".encode()


def copy_blocks(stream: BinaryIO) -> Iterator[bytes]:
    """Yields ``stream`` as UTF-8 in COPY's text format, whole lines in each block; memory stays at a few blocks."""
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
        yield _encode(rest + block[:end])
        rest = block[end:]
    if rest:
        yield _encode(rest + b"\n")


def _encode(lines: bytes) -> bytes:
    try:
        lines.decode()
    except UnicodeDecodeError:
        lines = b"\n".join(map(_to_utf8, lines.split(b"\n")))
    lines = lines.replace(b"\r\n", b"\n")
    if b"\0" in lines:
        lines = lines.replace(b"\0", _NUL_PICTURE)
    # COPY's own marks, so that the line arrives as it was.
    return lines.replace(b"\\", b"\\\\").replace(b"\t", b"\\t").replace(b"\r", b"\\r")


def _to_utf8(line: bytes) -> bytes:
    try:
        line.decode()
    except UnicodeDecodeError:
        try:
            return line.decode("cp1252").encode()
        except UnicodeDecodeError:  # five bytes mean nothing in Windows-1252
            return line.decode("latin-1").encode()
    return line
