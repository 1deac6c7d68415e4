"""Verification codes: encrypted while they wait, masked ever after."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from notifier.core import encryption

#: A code is letters and digits of ASCII, so that a text with it stays one segment.
_CODE = re.compile(r"[A-Za-z0-9]{3,12}")


def encrypted(code: str) -> str:
    """The code as it may lie in a row; raises ValueError when it is none."""
    if not _CODE.fullmatch(code):
        raise ValueError("a verification code has 3 to 12 letters or digits")
    return encryption.encrypt("codes", code)


def text(row: Mapping[str, Any]) -> str:
    """The words of ``verification_sms``; raises KeyError or InvalidToken when the code cannot be read any more."""
    return _words(encryption.decrypt("codes", row["params"]["secret"]))


def masked_text(row: Mapping[str, Any]) -> str:
    """The same as it is kept."""
    return _words("******")


def _words(code: str) -> str:
    return f"Your verification code is {code}. It expires in 10 minutes. Do not share it."
