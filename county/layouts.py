"""The columns of the county's files, and the checks and conversions of their values.

``layouts.csv`` lists the columns; if a file from the county has a different layout, correct ``layouts.csv``. Checks and
conversions are SQL expressions that work for any line; in these expressions, ``f`` is the array of the line's fields.
Nearly all lines are *plain*: a regular expression proves that they pass every check, COPY splits them, and few of their
values need a conversion.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache
from pathlib import Path

from county.limits import LONGEST_LINE

LAYOUTS = Path(__file__).with_name("layouts.csv")

#: type -> (SQL check of a trimmed, nonblank value, reason to give if the check fails)
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
        " AND length(ltrim(split_part({v}, '.', 1), '0')) <= 13",
        "is not an amount in dollars",
    ),
    "number": (
        "translate({v}, '0123456789', '') IN ('', '.') AND {v} <> '.'"
        " AND length(ltrim(split_part({v}, '.', 1), '0')) <= 9",
        "is not a number",
    ),
    "folio": (
        "translate({v}, '0123456789-', '') = '' AND length(ltrim(translate({v}, '-', ''), '0')) <= 13"
        " AND (length(translate({v}, '-', '')) >= 12 OR ltrim({v}, '0-') = '')",
        "is not a folio of 13 digits",
    ),
    "code": ("true", "is missing"),
    "text": ("true", "is missing"),
}

#: type -> SQL conversion of a trimmed value; a blank value is already NULL
_VALUES = {
    "integer": "{v}::bigint",
    "date": "to_date({v}, 'MMDDYYYY')",
    "money": "nullif({v}::numeric, 0)",
    "number": "nullif({v}::numeric, 0)",
    "folio": "nullif(lpad(ltrim(translate({v}, '-', ''), '0'), 13, '0'), '0000000000000')",
    "code": "upper({v})",
    "text": "{v}",
}

_TEXT = r"[^\^\n\r\t\0\\]{1,LENGTH}+"
_YEAR = "(?:19|20)[0-9]{2}"
_LEAP_YEAR = "(?:19(?:0[48]|[2468][048]|[13579][26])|20(?:0[048]|[2468][048]|[13579][26]))"
_DATE = (
    f"(?:(?:0[13578]|1[02])(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)(?:0[1-9]|[12][0-9]|30)"
    f"|02(?:0[1-9]|1[0-9]|2[0-8])){_YEAR}|0229{_LEAP_YEAR}"
)


def _no_later_than(latest: date) -> str:
    """Return a regular expression for dates (MMDDYYYY) that matches no date in a later month than ``latest``."""
    century, year = divmod(latest.year, 100)
    tens, ones = divmod(year, 10)
    years = [f"{century}{tens}[{ones + 1}-9]"] if ones < 9 else []
    years += [f"{century}[{tens + 1}-9][0-9]"] if tens < 9 else []
    years += [f"{century // 10}[{century % 10 + 1}-9][0-9]{{2}}"] if century % 10 < 9 else []
    years += [f"[{century // 10 + 1}-9][0-9]{{3}}"]
    later = [f"[0-9]{{4}}(?:{'|'.join(years)})"]
    if months := [f"{month:02}" for month in range(latest.month + 1, 13)]:
        later.append(f"(?:{'|'.join(months)})[0-9]{{2}}{latest.year}")
    return f"(?!{'|'.join(later)})"


@dataclass(frozen=True)
class Plain:
    """The usual form of the values of one type. A value that matches ``pattern`` passes the type's check.

    COPY reads a plain field, without its padding, as ``sql_type``. The SQL expression ``value`` gives the same result
    as the conversion in ``_VALUES``. Values in other forms may also pass the check.

    ``LENGTH`` in the pattern stands for the column's maximum length. The pattern counts bytes, which is safe because a
    string never has more characters than bytes.
    """

    pattern: str
    sql_type: str = "text"
    value: str = "{c}"


_PLAIN = {
    "integer": Plain(" *+[0-9]{1,15}+ *+", "bigint"),
    "date": Plain(
        _DATE, "integer", "CASE WHEN {c} <> 0 THEN make_date({c} % 10000, {c} / 1000000, {c} / 10000 % 100) END"
    ),
    "money": Plain(
        r"(?:0{1,20}+(?:[1-9][0-9]{0,12}+)?+|[1-9][0-9]{0,12}+)(?:\.[0-9]{0,4}+)?+", "numeric", "nullif({c}, 0)"
    ),
    "number": Plain(r"[0-9]{1,9}+(?:\.[0-9]{0,2}+)?+", "numeric", "nullif({c}, 0)"),
    "folio": Plain("(?:00)?[0-9]{13}", value="nullif(right({c}, 13), '0000000000000')"),
    "code": Plain("[A-Z0-9_./&-]{1,LENGTH}+ *+"),
    "text": Plain(f"(?! |\\^|\\n){_TEXT}"),
}
#: type -> the pattern of an empty value that a plain line may have. None of these patterns matches an empty string. If
#: an empty string could match in two ways, each empty field would double the time that it takes to recognize a line
#: that is not plain.
_NOTHING = {"date": "00000000", "text": " ++"}


@dataclass(frozen=True)
class Column:
    """One field of a line.

    ``position`` counts from 0. ``length`` is the maximum number of characters, without padding spaces. ``codes`` lists
    the allowed values; if ``codes`` is empty, every value is allowed. A date must not be later than ``latest``.
    """

    name: str
    position: int
    type: str
    required: bool
    length: int
    codes: tuple[str, ...] = ()
    latest: date | None = None

    @property
    def _trimmed(self) -> str:
        text = rf"nullif(btrim(f[{self.position + 1}], E' \t\r'), '')"
        # Eight zeros mean that there is no date.
        return f"nullif({text}, '00000000')" if self.type == "date" else text

    @property
    def fits(self) -> str:
        """An SQL condition that is false only for a field that is too long."""
        return f"length({self._trimmed}) <= {self.length}"

    @property
    def check(self) -> str | None:
        """An SQL condition that is true only for a well-formed field, or None if every value is allowed."""
        check = _CHECKS[self.type][0].format(v=self._trimmed)
        if self.codes:
            listed = ", ".join(f"'{code}'" for code in self.codes)
            check = f"upper({self._trimmed}) IN ({listed})"
        if self.required:
            check = f"{self._trimmed} IS NOT NULL AND {check}"
            return f"{check} AND {self.value} IS NOT NULL" if self.type == "folio" else check  # folio 0 is not a parcel
        return None if check == "true" else f"({self._trimmed} IS NULL OR {check})"

    @property
    def is_late(self) -> str:
        """An SQL condition that is true for a date after ``latest``; use it only for a field that passes the check."""
        return f"{self.value} > '{self.latest}'"

    @property
    def complaint(self) -> str:
        """The reason to give for a field that fails the check."""
        if self.codes:
            return f"{self.name} is not one of {', '.join(self.codes)}"
        return f"{self.name} {_CHECKS[self.type][1]}"

    @property
    def value(self) -> str:
        """An SQL expression that converts a field that passes the check."""
        return _VALUES[self.type].format(v=self._trimmed)

    @property
    def plain_name(self) -> str:
        """The name of the column that COPY fills with this field of a plain line."""
        return f"c{self.position + 1}"

    @property
    def plain_type(self) -> str:
        """The SQL type of the column that COPY fills with this field of a plain line."""
        return _PLAIN[self.type].sql_type

    @property
    def plain_pattern(self) -> str:
        """The regular expression that this field matches in a plain line."""
        pattern = f"(?:{'|'.join(self.codes)}) *+" if self.codes else _PLAIN[self.type].pattern
        pattern = pattern.replace("LENGTH", str(self.length))
        if self.latest is not None:
            pattern = f"{_no_later_than(self.latest)}(?:{pattern})"
        nothing = _NOTHING.get(self.type, "")
        return f"(?:{pattern})" if self.required else f"(?:{pattern}|{nothing}|)(?=\\^|\\n)"

    @property
    def plain_value(self) -> str:
        """An SQL expression that converts this field of a plain line."""
        return _PLAIN[self.type].value.format(c=self.plain_name)


@cache
def layout(file: str) -> tuple[Column, ...]:
    """Return the columns of ``file`` (a name in ``layouts.csv``) in order; raises KeyError for an unknown file."""
    with LAYOUTS.open(encoding="utf-8", newline="") as rows:
        columns = tuple(
            Column(
                row["column"],
                int(row["position"]),
                row["type"],
                row["required"] == "yes",
                int(row["length"]),
                tuple(row["codes"].split()),
            )
            for row in csv.DictReader(rows)
            if row["file"] == file
        )
    if not columns:
        raise KeyError(f"layouts.csv has no file {file!r}")
    return columns


def layout_on(file: str, day: date) -> tuple[Column, ...]:
    """Return the columns of ``file`` for business date ``day``; raises KeyError for an unknown file.

    A required date, such as the date of recording, must not be later than the end of the next month. The latest
    document determines who owns a property, so a document dated in the far future would determine the owner forever.
    """
    first = (day.replace(day=1) + timedelta(days=62)).replace(day=1)
    latest = first - timedelta(days=1)
    return tuple(
        replace(column, latest=latest) if column.type == "date" and column.required else column
        for column in layout(file)
    )


def plain_line(columns: tuple[Column, ...]) -> str:
    """Return a regular expression (UTF-8 bytes, without the line ending) that only lines with this layout match."""
    return r"\^".join(column.plain_pattern for column in columns)


def is_good(columns: tuple[Column, ...]) -> str:
    """Return an SQL condition that is true if ``line`` has the layout; ``f`` is the array of the line's fields."""
    checks = [f"({column.fits}) IS NOT FALSE" for column in columns]
    checks += [column.check for column in columns if column.check]
    late = [f" WHEN {column.is_late} THEN false" for column in columns if column.latest]
    return (
        f"CASE WHEN is_cut OR cardinality(f) <> {len(columns)} OR strpos(line, '␀') > 0 THEN false"
        f" WHEN ({' AND '.join(checks)}) IS NOT TRUE THEN false{''.join(late)} ELSE true END"
    )


def first_fault(columns: tuple[Column, ...]) -> str:
    """Return an SQL expression for the first error in ``line``; ``f`` is the array of the line's fields."""
    faults = "".join(
        f" WHEN {column.fits} IS FALSE THEN '{column.name} is longer than {column.length} characters'"
        for column in columns
    )
    faults += "".join(
        f" WHEN ({column.check}) IS NOT TRUE THEN '{column.complaint}'" for column in columns if column.check
    )
    faults += "".join(
        f" WHEN {column.is_late} THEN '{column.name} is later than {column.latest}'"
        for column in columns
        if column.latest
    )
    return (
        f"CASE WHEN is_cut THEN 'the line is longer than {LONGEST_LINE} bytes'"
        f" WHEN cardinality(f) <> {len(columns)} THEN format('%s fields instead of {len(columns)}', cardinality(f))"
        f" WHEN strpos(line, '␀') > 0 THEN 'holds a NUL byte'{faults} ELSE 'malformed' END"
    )
