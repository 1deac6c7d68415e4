"""The GSM 03.38 alphabet.

An SMS segment holds 160 characters, but only 70 if the text has a character that is not in this alphabet.
"""

from __future__ import annotations

import unicodedata

SEGMENT = 160
_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
#: Characters that take two septets: an escape and a code.
_EXTENSION = frozenset("^{}\\[~]|€\f")


def is_gsm(text: str) -> bool:
    """Return whether all characters of ``text`` are in the GSM alphabet."""
    return all(character in _BASIC or character in _EXTENSION for character in text)


def septets(text: str) -> int:
    """Return the length of ``text`` in septets. All characters must be in the GSM alphabet."""
    return len(text) + sum(character in _EXTENSION for character in text)


def plain(text: str) -> str:
    """Return ``text`` without accents and rare characters, so that each character takes one septet."""
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return "".join(character for character in ascii_text if character in _BASIC)
