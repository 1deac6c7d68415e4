"""The columns of the county's files, and what a value of each type must look like.

``layouts.csv`` is the data: a layout that turns out different on a real file is corrected there. Checks and conversions
are SQL over ``f``, the array of a line's fields; plain string functions, because they cost a tenth of an expression
that judges the whole line.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

#: type -> (check of a trimmed value that is not blank, what to say when it fails)
_CHECKS = {
    "integer": (
        "translate({v}, '0123456789', '') = '' AND length(ltrim({v}, '0')) <= 15",
        "is not a whole number",
    ),
    "date": (
        "translate({v}, '0123456789', '') = '' AND length({v}) = 8"
        " AND pg_input_is_valid(substr({v}, 5) || substr({v}, 1, 4), 'date')",
        "is not a date MMDDYYYY",
    ),
    "money": (
        "translate({v}, '0123456789', '') IN ('', '.') AND {v} <> '.'"
        " AND length(ltrim(split_part({v}, '.', 1), '0')) <= 14",
        "is not an amount in dollars",
    ),
    "folio": (
        "translate({v}, '0123456789-', '') = '' AND length(ltrim(translate({v}, '-', ''), '0')) <= 13"
        " AND (length(translate({v}, '-', '')) >= 12 OR ltrim({v}, '0-') = '')",
        "is not a folio of 13 digits",
    ),
    "code": ("true", "is missing"),
    "text": ("true", "is missing"),
}

#: type -> conversion of a trimmed value; blank ones are NULL already
_VALUES = {
    "integer": "{v}::bigint",
    "date": "to_date({v}, 'MMDDYYYY')",
    "money": "nullif({v}::numeric, 0)",
    "folio": "nullif(right(lpad(translate({v}, '-', ''), 15, '0'), 13), '0000000000000')",
    "code": "upper({v})",
    "text": "{v}",
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
    def _trimmed(self) -> str:
        text = rf"nullif(btrim(f[{self.position + 1}], E' \t\r'), '')"
        # Eight zeros stand for no date.
        return f"nullif({text}, '00000000')" if self.type == "date" else text

    @property
    def check(self) -> str | None:
        """SQL that is not true for a malformed field; None when anything goes."""
        check = _CHECKS[self.type][0].format(v=self._trimmed)
        if self.codes:
            listed = ", ".join(f"'{code}'" for code in self.codes)
            check = f"upper({self._trimmed}) IN ({listed})"
        if self.required:
            return f"{self._trimmed} IS NOT NULL AND {check}"
        return None if check == "true" else f"({self._trimmed} IS NULL OR {check})"

    @property
    def complaint(self) -> str:
        """The reason given when the check fails."""
        if self.codes:
            return f"{self.name} is not one of {', '.join(self.codes)}"
        return f"{self.name} {_CHECKS[self.type][1]}"

    @property
    def value(self) -> str:
        """SQL of the converted value of a field that passes."""
        return _VALUES[self.type].format(v=self._trimmed)


@cache
def layout(file: str) -> tuple[Column, ...]:
    """The columns of ``file`` (a name of ``layouts.csv``) in their order; raises KeyError for an unknown one."""
    with (Path(__file__).parent / "layouts.csv").open(encoding="utf-8", newline="") as rows:
        columns = tuple(
            Column(
                row["column"], int(row["position"]), row["type"], row["required"] == "yes", tuple(row["codes"].split())
            )
            for row in csv.DictReader(rows)
            if row["file"] == file
        )
    if not columns:
        raise KeyError(f"layouts.csv has no file {file!r}")
    return columns


def is_good(columns: tuple[Column, ...]) -> str:
    """SQL that tells whether ``line``, split into ``f``, has the layout."""
    checks = [column.check for column in columns if column.check]
    return (
        f"CASE WHEN cardinality(f) <> {len(columns)} OR strpos(line, '␀') > 0 THEN false"
        f" ELSE {' AND '.join(checks)} END"
    )


def first_fault(columns: tuple[Column, ...]) -> str:
    """SQL that names the first thing wrong with ``line``, split into ``f``."""
    faults = "".join(
        f" WHEN ({column.check}) IS NOT TRUE THEN '{column.complaint}'" for column in columns if column.check
    )
    return (
        f"CASE WHEN cardinality(f) <> {len(columns)} THEN format('%s fields instead of {len(columns)}', cardinality(f))"
        f" WHEN strpos(line, '␀') > 0 THEN 'holds a NUL byte'{faults} ELSE 'malformed' END"
    )
