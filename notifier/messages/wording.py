"""Words and formats that several messages share."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from notifier.messages import gsm

ADDRESS_UNKNOWN = "address unknown"
NAME_LENGTH = 100
_STREET_LENGTH, _UNIT_LENGTH, _CITY_LENGTH = 60, 12, 40
#: Everything except letters, digits, and the punctuation that occurs in names and addresses. A slash may be part of a
#: fraction or of A/K/A.
_OTHER = re.compile(r"[^\w .,&'();#/-]|_|(?<!\w)/|/(?!\w)")
_DOT_WITHIN = re.compile(r"(?<=\w)\.(?=\w)")
#: A street address begins with a house number, or with a direction and the number of a numbered street.
_STREET = re.compile(r"(?:[0-9]|[NSEW]{1,2} [0-9])(?=.*[^\W\d])(?:[\w .,&'#-]|(?<=[0-9])/(?=[0-9]))*", re.IGNORECASE)
#: The usual street types (USPS Publication 28). ``migrations/reference/street_words.csv`` has the county's spellings.
_STREET_TYPE = re.compile(
    "ALY|AVE?|AVENUE|BLVD|BOULEVARD|BND|CIR|CIRCLE|COURT|CSWY|CAUSEWAY|CT|CV|DR|DRIVE|GDNS|GLN|HWY|HIGHWAY|ISLE|LN|LANE"
    "|LOOP|MNR|PARKWAY|PKWY|PL|PLACE|PLAZA|PLZ|PT|RD|ROAD|ROW|SQ|SQUARE|ST|STREET|TERR?|TERRACE|TRAIL|TRL|WAY|XING"
)
#: The maximum number of words in a street address without a type, and of words after the type, such as a unit.
_SHORT_ADDRESS, _WORDS_AFTER_TYPE = 4, 3
_PHONE_NUMBER = re.compile(r"[0-9]{7}|[0-9]{3}\W{1,3}[0-9]{3}\W{1,3}[0-9]{4}")


def one_line(text: str | None, limit: int) -> str:
    """Return untrusted text as one line of at most ``limit`` characters, without invisible characters.

    The function also removes control characters, which XML forbids, and the marks that change the direction of text.
    """
    shown = text or ""
    if not (shown.isascii() and shown.isprintable()):
        shown = "".join(_shown(character) for character in unicodedata.normalize("NFKC", shown))
    return " ".join(shown.split())[:limit].rstrip()


def recorded(text: str | None, limit: int) -> str:
    """Return a recorded name or address as one line in which phones and mail programs find no link.

    Anybody can have a document recorded, and can thus choose this text.
    """
    words = _OTHER.sub(" ", one_line(text, 4 * limit))
    return one_line(_DOT_WITHIN.sub(". ", words), limit)


def street_address(row: Mapping[str, Any]) -> str:
    """Return the property's address on one line, or ``address unknown`` if the recorded text is not an address."""
    written = one_line(row["address"], _STREET_LENGTH)
    street, unit = recorded(written, _STREET_LENGTH), recorded(row["unit"], _UNIT_LENGTH)
    line = ", ".join(filter(None, (f"{street} {unit}".rstrip(), recorded(row["city"], _CITY_LENGTH))))
    # ``gsm.plain`` drops letters such as Ø, so the digits on both sides of a dropped letter could form a phone number.
    has_number = any(map(_PHONE_NUMBER.search, (line, gsm.plain(line))))
    return line if _STREET.fullmatch(written) and _is_short(street) and not has_number else ADDRESS_UNKNOWN


def _is_short(street: str) -> bool:
    """Return whether the text has no more words than a street address has, so that it cannot be a sentence."""
    words = [word.strip(".,") for word in street.upper().split()]
    types = [at for at, word in enumerate(words, start=1) if _STREET_TYPE.fullmatch(word) and at > 1]
    return len(words) <= _SHORT_ADDRESS or (bool(types) and len(words) - types[-1] <= _WORDS_AFTER_TYPE)


def dollars(amount: Decimal | float | None) -> str:
    """Return an amount in US dollars without cents, or an empty string if the amount is not known."""
    if amount is None:
        return ""
    return f"-${-amount:,.0f}" if amount < 0 else f"${amount:,.0f}"


def long_date(day: date) -> str:
    """Return a date in the form ``November 20, 2026``."""
    return f"{day:%B} {day.day}, {day.year}"


def _shown(character: str) -> str:
    """Return a character, a space in place of a line break, or an empty string in place of an invisible character."""
    category = unicodedata.category(character)
    if category[0] == "Z" or character in "\t\n\v\f\r\x85":
        return " "
    return "" if category[0] == "C" else character
