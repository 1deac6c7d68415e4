"""What waits somewhere and must not be read there, under NOTIFIER_SECRET_KEY."""

from __future__ import annotations

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken

from leads import settings

__all__ = ["InvalidToken", "decrypt", "encrypt"]


def encrypt(purpose: str, text: str) -> str:
    """``text`` encrypted for one ``purpose``; raises MissingSetting without a key."""
    return _cipher(purpose).encrypt(text.encode()).decode()


def decrypt(purpose: str, token: str) -> str:
    """The text; raises InvalidToken when the key is another one by now, or the purpose."""
    return _cipher(purpose).decrypt(token.encode()).decode()


def _cipher(purpose: str) -> Fernet:
    key = hashlib.sha256(f"{purpose}:{settings.text('NOTIFIER_SECRET_KEY')}".encode()).digest()
    return Fernet(base64.urlsafe_b64encode(key))
