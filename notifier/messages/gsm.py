"""What fits into one text: 160 septets of the GSM 03.38 alphabet; one letter outside it would cost two bytes each."""

from __future__ import annotations

import unicodedata

SEGMENT = 160
_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
#: These take an escape and a septet.
_EXTENSION = frozenset("^{}\\[~]|€\f")


def is_gsm(text: str) -> bool:
    return all(character in _BASIC or character in _EXTENSION for character in text)


def septets(text: str) -> int:
    """Length of ``text`` in septets; all its letters are in the alphabet."""
    return len(text) + sum(character in _EXTENSION for character in text)


def plain(text: str) -> str:
    """The same in letters that cost one septet each: without accents and rare marks."""
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return "".join(character for character in ascii_text if character in _BASIC)
