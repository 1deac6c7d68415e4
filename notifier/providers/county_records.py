"""Turns the rows in the county API's answer into the records that ``store_api_records`` takes.

A row may contain values of any type. If a database column cannot store a value, the value counts as missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from itertools import groupby
from operator import itemgetter
from typing import Any

NO_DATE = date(1900, 1, 1)
#: The maximum number of characters in a name. The county's files have the same limit.
LONGEST_NAME = 300
LONGEST_CODE = 100
#: The database's columns can store whole numbers and dollar amounts that are below these limits.
LIMIT_OF_NUMBERS = 10**15
LIMIT_OF_DOLLARS = 10**13

_OTHER_SIDE = {"D": "R", "R": "D"}
_document = itemgetter("cfn_year", "cfn_seq", "group_id")

Record = dict[str, Any]


def records_of(rows: Iterable[Mapping[str, Any]], folio: str) -> list[Record]:
    """Return a record for each row that identifies a document. ``folio`` is used for rows that have no folio."""
    return [record for row in rows if (record := _record(row, folio))]


def other_parties(rows: Iterable[Mapping[str, Any]], folio: str) -> list[Record]:
    """Return records for parties that have no row.

    If all rows for a document are for parties on one side, the rows' ``SECOND_PARTY`` values name the other side.
    """
    named = [(record, text(row.get("SECOND_PARTY"))) for row in rows if (record := _record(row, folio))]
    named.sort(key=lambda pair: _document(pair[0]))
    return [
        party for _, document in groupby(named, key=lambda pair: _document(pair[0])) for party in _missing([*document])
    ]


def _missing(document: list[tuple[Record, str | None]]) -> Iterator[Record]:
    sides = {record["party_code"] for record, _ in document}
    other = _OTHER_SIDE.get(sides.pop() or "") if len(sides) == 1 else None
    if other is None:
        return
    first = document[0][0]
    last = max(record["party_sequence"] for record, _ in document)
    names = dict.fromkeys(name for _, name in document if name)
    for sequence, name in enumerate(names, start=last + 1):
        yield first | {"party_sequence": sequence, "party_code": other, "party_name": name}


def _record(row: Mapping[str, Any], folio: str) -> Record | None:
    """Return a row with our field names, or None if the row identifies no document."""
    year, sequence = number(row.get("CFN_YEAR")), number(row.get("CFN_SEQ"))
    if year is None or sequence is None:
        return None
    own = "".join(c for c in text(row.get("FOLIO_NUMBER")) or "" if c in "0123456789")[-13:].zfill(13)
    original = number(row.get("ORIG_CFN_SEQ")) or None
    return {
        "cfn_year": year,
        "cfn_seq": sequence,
        "group_id": number(row.get("GROUP_ID")) or 0,
        "document_code": text(row.get("DOC_TYPE"), LONGEST_CODE) or "",
        "case_number": text(row.get("CASE_NUM"), LONGEST_CODE),
        "recorded_on": _day(row.get("REC_DATE")),
        "folio": own if own.strip("0") else folio,
        "consideration_1": _dollars(row.get("CONSIDERATION_1")),
        "deed_doc_tax": _dollars(row.get("DEED_DOC_TAX")),
        "original_cfn_year": number(row.get("ORIG_CFN_YEAR")) if original else None,
        "original_cfn_seq": original,
        "party_sequence": number(row.get("PARTY_SEQUENCE")) or 0,
        "party_code": text(row.get("PARTY_CODE"), LONGEST_CODE),
        "party_name": text(row.get("FIRST_PARTY")),
    }


def text(value: Any, longest: int = LONGEST_NAME) -> str | None:
    """Return a value as trimmed text that PostgreSQL can store.

    Returns None for blank text, for text that is too long, and for a list or an object.
    """
    if not isinstance(value, str | int | float):
        return None
    try:
        plain = str(value).replace("\0", "").encode(errors="ignore").decode().strip()
    except ValueError:  # the integer has too many digits for str()
        return None
    return plain if 0 < len(plain) <= longest else None


def number(value: Any, limit: int = LIMIT_OF_NUMBERS) -> int | None:
    """Return a whole number between -``limit`` and ``limit`` (exclusive), or None for anything else."""
    try:
        found = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if abs(found) < limit else None


def _dollars(value: Any) -> str | None:
    try:
        amount = Decimal(text(value, 40) or "")
    except InvalidOperation:
        return None
    return f"{amount:.2f}" if amount.is_finite() and 0 <= amount < LIMIT_OF_DOLLARS else None


def _day(value: Any) -> str | None:
    try:
        day = date.fromisoformat((text(value) or "")[:10])
    except ValueError:
        return None
    return day.isoformat() if day != NO_DATE else None
