"""Encrypts verification codes until they are sent, and masks them in stored texts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from notifier.core import encryption

#: A code has only ASCII letters and digits, so that the SMS fits into one segment.
_CODE = re.compile(r"[A-Za-z0-9]{3,12}")
#: Every SMS with a verification code begins with this text. Reconciliation recognizes the SMS by this text.
SMS_PREFIX = "Your verification code is "


def encrypted(code: str) -> str:
    """Return the encrypted code for the delivery row. Raises ValueError if the code is malformed."""
    if not _CODE.fullmatch(code):
        raise ValueError("a verification code has 3 to 12 letters or digits")
    return encryption.encrypt("codes", code)


def sms(row: Mapping[str, Any]) -> str:
    """Return the text of ``verification_sms``. Raises KeyError or InvalidToken if the code cannot be decrypted."""
    return _text(encryption.decrypt("codes", row["params"]["secret"]))


def masked_sms(row: Mapping[str, Any]) -> str:
    """Return the text of ``verification_sms`` with the code masked, for the delivery row."""
    return _text("******")


def _text(code: str) -> str:
    return f"{SMS_PREFIX}{code}. It expires in 10 minutes. Do not share it."
