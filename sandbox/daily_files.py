"""Write a day's documents as daily files in both formats, with the kinds of errors that real files contain."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from random import Random

from sandbox.documents import Document

NO_DATE = "00000000"
NO_FOLIO = "0" * 13
BROKEN_LINES = 0.002
"""Fraction of malformed lines added to a file. It is well below the limit that a run accepts."""


def county_date(day: date) -> str:
    """Format a date the way the county does, as MMDDYYYY."""
    return f"{day:%m%d%Y}"


def write_file(path: Path, lines: Iterable[str], day: date) -> None:
    """Write ``lines`` with a random encoding (Windows-1252 or UTF-8) and line ending, with or without a control line.

    The county's files vary in the same ways. The file gets its final name only when it is complete.
    """
    chance = Random(f"file {path.name} {day}")
    encoding = chance.choice(("cp1252", "cp1252", "cp1252", "utf-8", "utf-8-sig"))
    end = chance.choice(("\r\n", "\r\n", "\n"))
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("w", encoding=encoding, newline="") as file:
        if chance.random() < 0.5:
            file.write(f"00000000{county_date(day)}0001{end}")
        file.writelines(f"{line}{end}" for line in with_dirt(lines, chance))
    partial.rename(path)


def write_zipped(path: Path, lines: Iterable[str], day: date) -> None:
    """Write the lines to a zip file that contains a single file, for example ``11202026.exp``."""
    inside = path.with_name(f".{path.name}.exp")
    write_file(inside, lines, day)
    partial = path.with_name(f".{path.name}.partial")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.write(inside, f"{county_date(day)}.exp")
    inside.unlink()
    partial.rename(path)


def with_dirt(lines: Iterable[str], chance: Random) -> Iterator[str]:
    """Yield the lines, mixed with malformed lines, blank lines and one duplicate."""
    for number, line in enumerate(lines):
        yield line
        draw = chance.random()
        if draw < BROKEN_LINES:
            yield broken(line, chance)
        elif draw < BROKEN_LINES * 1.5:
            yield ""
        elif number == 10:
            yield line


def broken(line: str, chance: Random) -> str:
    """Return a malformed copy of a line."""
    fields = line.split("^")
    kind = chance.randrange(4)
    if kind == 0:
        return "^".join(fields[: len(fields) // 2])
    if kind == 1:
        return "^".join([*fields, "MORE"])
    if kind == 2:
        return "^".join(["20X6", *fields[1:]])
    return "".join(chance.choice("!?*~ABC") for _ in range(20))


def cases_lines(documents: Iterable[Document]) -> Iterator[str]:
    """Yield the lines of Cases.exp."""
    for d in documents:
        place = d.parcel
        yield (
            f"{d.year}^{d.sequence:010d}^{d.group:05d}^{d.code}^{d.case_number}^{county_date(d.recorded)}"
            f"^{_folio(d)}^{d.address}^{place.city.upper() if place else ''}^{place.zip if place else ''}"
            f"^{_money(d.consideration)}^{_money(d.stamp_tax)}^{d.action}"
        )


def parties_lines(documents: Iterable[Document]) -> Iterator[str]:
    """Yield the lines of Parties.exp."""
    for d in documents:
        for number, party in enumerate(d.parties, 1):
            yield f"{d.year}^{d.sequence:010d}^{d.group:05d}^{number:05d}^{party.code}^{party.name:<40}^{d.action}"


def dockets_lines(documents: Iterable[Document]) -> Iterator[str]:
    """Yield the lines of Dockets.exp."""
    for d in documents:
        if d.case_number:
            yield f"{d.year}^{d.sequence:010d}^1^{county_date(d.recorded)}^FILED"


def docktext_lines(documents: Iterable[Document]) -> Iterator[str]:
    """Yield the lines of Docktext.exp."""
    for d in documents:
        if d.case_number:
            yield f"{d.year}^{d.sequence:010d}^1^1^NOTICE FILED IN CASE {d.case_number}"
            yield f"{d.year}^{d.sequence:010d}^1^2^RECORDED {d.recorded:%m/%d/%Y}"


def official_records_lines(documents: Iterable[Document]) -> Iterator[str]:
    """Yield the lines of the Clerk's own file, which has 42 columns and one line for each party."""
    for d in documents:
        others = {"D": "R", "R": "D"}
        for number, party in enumerate(d.parties, 1):
            cross = next((other.name for other in d.parties if other.code == others[party.code]), "")
            key = ((d.year % 100 * 100_000_000 + d.sequence) * 10 + d.group) * 10 + number
            yield "^".join(_official_row(d, party.code, party.name, cross, number, key))


def _official_row(d: Document, code: str, name: str, cross: str, number: int, key: int) -> list[str]:
    original = d.original or (0, 0)
    return [
        f"{d.year}",
        f"{d.sequence:010d}",
        f"{d.group:05d}",
        county_date(d.recorded),
        "101500",
        f"{34_000 + d.sequence % 900:014d}",
        f"{d.sequence % 4999:05d}",
        "O ",
        "00003",
        "00000",
        f"{d.code:<15}",
        f"{'':<40}",
        NO_DATE,
        f"{name:<100}",
        code,
        f"{cross:<100}",
        f"{original[0]:04d}",
        f"{original[1]:010d}",
        "0" * 14,
        "00000",
        "",
        "",
        f"{_folio(d):0>15}",
        'LOT 7 BLK 2 "PALM ISLE"' if d.parcel else "",
        "",
        "",
        "",
        "",
        "",
        "",
        f"{d.case_number} CIRCUIT" if d.case_number else "",
        _money(d.consideration),
        _money(""),
        _money(d.stamp_tax),
        "Y" if d.parcel else "N",
        _money(""),
        _money(""),
        _money(""),
        f"{key:013d}",
        d.action,
        f"{number:05d}",
        county_date(d.recorded),
    ]


def _folio(document: Document) -> str:
    return document.folio or NO_FOLIO


def _money(amount: str) -> str:
    return f"{amount or '0.00':0>19}"
