"""The columns of the county's files, and what a value of each type must look like.

``layouts.csv`` is the data: a layout that turns out different on a real file is corrected there. Patterns are
PostgreSQL's (they judge lines inside the database), conversions are SQL over ``f``, the array of a line's fields.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_DAYS_OF_MONTHS = (
    r"(?:(?:0[13578]|1[02])(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)(?:0[1-9]|[12]\d|30)|02(?:0[1-9]|1\d|2[0-8]))[12]\d{3}"
)
_LEAP_DAYS = r"0229(?:[12]\d(?:0[48]|[2468][048]|[13579][26])|(?:12|16|20|24|28)00)"

#: type -> (pattern of a value, what to say when a value is not one)
_TYPES = {
    "integer": (r"0*\d{1,15}", "is not a whole number"),
    "date": (f"(?:{_DAYS_OF_MONTHS}|{_LEAP_DAYS})", "is not a date MMDDYYYY"),
    "money": (r"0*\d{1,14}(?:\.\d{0,4})?", "is not an amount in dollars"),
    "folio": (r"(?:0*(?:\d-?){12}\d|(?:\d-?){11}\d|0+)", "is not a folio of 13 digits"),
    "code": (r"[^^␀]*[^^␀\s][^^␀]*", "is missing"),
    "text": (r"[^^␀]*[^^␀\s][^^␀]*", "is missing"),
}


@dataclass(frozen=True)
class Column:
    """One field of a line. ``position`` counts from 0; ``codes`` lists the allowed values, if the layout does."""

    name: str
    position: int
    type: str
    required: bool
    codes: tuple[str, ...] = ()

    @property
    def pattern(self) -> str:
        """What the whole field must match, padding included."""
        value = _TYPES[self.type][0]
        if self.codes:
            value = "(?:" + "|".join(f"{code}|{code.lower()}" for code in self.codes) + ")"
        if self.required:
            return rf"\s*{value}\s*" if self.type != "text" else value
        absent = r"|0{8}" if self.type == "date" else ""
        return rf"\s*(?:{value}{absent})?\s*" if self.type != "text" else r"[^^␀]*"

    @property
    def complaint(self) -> str:
        """The reason given when a field does not match."""
        if self.codes:
            return f"{self.name} is not one of {', '.join(self.codes)}"
        return f"{self.name} {_TYPES[self.type][1]}"

    @property
    def value(self) -> str:
        """SQL of the converted value of a field that matches."""
        field = f"f[{self.position + 1}]"
        trimmed = rf"nullif(btrim({field}, E' \t\r'), '')"
        match self.type:
            case "integer":
                return f"{trimmed}::bigint"
            case "date":
                return f"to_date(nullif({trimmed}, '00000000'), 'MMDDYYYY')"
            case "money":
                return f"nullif({trimmed}::numeric, 0)"
            case "folio":
                digits = rf"translate({field}, E'- \t\r', '')"
                return f"nullif(right(lpad({digits}, greatest(13, length({digits})), '0'), 13), '0000000000000')"
            case "code":
                return f"upper({trimmed})"
            case _:
                return trimmed


@cache
def layout(file: str) -> tuple[Column, ...]:
    """The columns of ``file`` (a name of ``layouts.csv``) in their order; raises KeyError for an unknown one."""
    with (Path(__file__).parent / "layouts.csv").open(encoding="utf-8", newline="") as rows:
        columns = tuple(
            Column(
                row["column"],
                int(row["position"]),
                row["type"],
                row["required"] == "yes",
                tuple(row["codes"].split()),
            )
            for row in csv.DictReader(rows)
            if row["file"] == file
        )
    if not columns:
        raise KeyError(f"layouts.csv has no file {file!r}")
    return columns


def line_pattern(columns: tuple[Column, ...]) -> str:
    """One expression that a whole good line matches: it is far cheaper than a check for each field."""
    return "^" + r"\^".join(column.pattern for column in columns) + "$"
