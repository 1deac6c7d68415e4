"""Rejected lines: the column at fault, and all lines of a day as CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

from psycopg.rows import DictRow

from county.layouts import layout
from operations.pages import database
from operations.pages.delivery_export import safe_cell

#: Symbols for control characters, so that they are visible.
_PICTURES = {code: 0x2400 + code for code in range(32)} | {127: 0x2421}
#: Characters that are invisible or reorder the text around them.
_INVISIBLE = re.compile(r"[\x80-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
#: Characters of a line that a list reads.
SHOWN_LENGTH = 20_000
#: At most this much of a line is shown before and after the column at fault.
_CONTEXT = 160
_LINES_A_READ = 200
_COLUMNS = ("file_name", "line_number", "reason", "raw_line")


class Part(NamedTuple):
    """A part of a line. ``is_fault`` is true for the column at fault, whose name is ``column``."""

    text: str
    is_fault: bool = False
    column: str = ""


def marked(layout_file: str | None, line: str | None, reason: str | None) -> list[Part]:
    """Return the parts of a rejected line, with the column that the reason names marked.

    The reason begins with the column's name (see ``county.layouts.first_fault``). If it names no column of the file's
    layout, nothing is marked. Long lines are shortened around the mark.
    """
    text = visible(line or "")
    position, column = _fault(layout_file, reason)
    fields = text.split("^")
    if position is None or position >= len(fields):
        return [Part(_shorten_end(text, 2 * _CONTEXT))]
    before, after = "^".join(fields[:position]), "^".join(fields[position + 1 :])
    parts = [
        Part(_shorten_start(f"{before}^", _CONTEXT) if position else ""),
        Part(_shorten_end(fields[position], _CONTEXT) or "␣", is_fault=True, column=column),
        Part(_shorten_end(f"^{after}", _CONTEXT) if position + 1 < len(fields) else ""),
    ]
    return [part for part in parts if part.text]


def visible(text: str) -> str:
    """Return a text in which control characters and invisible characters are visible."""
    return _INVISIBLE.sub(lambda match: f"⟨U+{ord(match[0]):04X}⟩", text.translate(_PICTURES))


def read_lines(
    connection: database.Connection, feed: str, day: date | None, after: int, limit: int, *, length: int = SHOWN_LENGTH
) -> list[DictRow]:
    """Return the rejected lines of a feed and date after an id, each with at most ``length`` characters of its text."""
    parameters = {"feed": feed, "day": day, "after": after, "limit": limit, "length": length}
    return database.rows(connection, "run_rejected", **parameters)


def rejected_csv(feed: str, day: date | None) -> Iterator[bytes]:
    """Yield the rejected lines of a feed and date as CSV. Cells that a spreadsheet would run as formulas are quoted."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(_COLUMNS)
    after = 0
    while True:
        with database.read() as connection:
            lines = read_lines(connection, feed, day, after, _LINES_A_READ, length=2**30)
        writer.writerows([safe_cell(line[column]) for column in _COLUMNS] for line in lines)
        yield buffer.getvalue().encode()
        buffer.seek(0)
        buffer.truncate()
        if len(lines) < _LINES_A_READ:
            return
        after = lines[-1]["id"]


def _fault(layout_file: str | None, reason: str | None) -> tuple[int | None, str]:
    """Return the position and the name of the column that a reason names, or None and an empty string."""
    name = (reason or "").partition(" ")[0].rstrip(":")
    try:
        columns = layout(layout_file or "")
    except KeyError:
        return None, ""
    return next(((column.position, column.name) for column in columns if column.name == name), (None, ""))


def _shorten_start(text: str, length: int) -> str:
    return text if len(text) <= length else f"…{text[-length:]}"


def _shorten_end(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[:length]}…"
