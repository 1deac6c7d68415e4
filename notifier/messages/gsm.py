"""The GSM 03.38 alphabet: an SMS segment holds 160 of its septets; one other letter doubles the size of all of them."""

from __future__ import annotations

import unicodedata

SEGMENT = 160
_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
#: These take two septets: an escape and a code.
_EXTENSION = frozenset("^{}\\[~]|€\f")


def is_gsm(text: str) -> bool:
    """Return whether the alphabet has all characters of ``text``."""
    return all(character in _BASIC or character in _EXTENSION for character in text)


def septets(text: str) -> int:
    """Return the length of ``text`` in septets. The alphabet must have all its characters."""
    return len(text) + sum(character in _EXTENSION for character in text)


def plain(text: str) -> str:
    """Return ``text`` in characters of one septet each: without accents and rare marks."""
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return "".join(character for character in ascii_text if character in _BASIC)
