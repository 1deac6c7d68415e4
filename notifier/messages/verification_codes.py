"""Verification codes: encrypted while they wait, masked in everything that is kept."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from notifier.core import encryption

#: A code has ASCII letters and digits only, so that its SMS stays one segment.
_CODE = re.compile(r"[A-Za-z0-9]{3,12}")
#: How every SMS with a code begins; reconciliation recognizes it by this.
SMS_PREFIX = "Your verification code is "


def encrypted(code: str) -> str:
    """Return the code as a delivery row may hold it; raises ValueError when it is malformed."""
    if not _CODE.fullmatch(code):
        raise ValueError("a verification code has 3 to 12 letters or digits")
    return encryption.encrypt("codes", code)


def sms(row: Mapping[str, Any]) -> str:
    """Return the text of ``verification_sms``; raises KeyError or InvalidToken when the code cannot be decrypted."""
    return _text(encryption.decrypt("codes", row["params"]["secret"]))


def masked_sms(row: Mapping[str, Any]) -> str:
    """Return the same text with the code masked, as the delivery row keeps it."""
    return _text("******")


def _text(code: str) -> str:
    return f"{SMS_PREFIX}{code}. It expires in 10 minutes. Do not share it."
