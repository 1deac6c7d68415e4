"""Encryption, under NOTIFIER_SECRET_KEY, of values that must not be readable where they wait."""

from __future__ import annotations

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken

from notifier.core.settings import settings

__all__ = ["InvalidToken", "decrypt", "encrypt"]


def encrypt(purpose: str, text: str) -> str:
    """Return ``text`` encrypted for one ``purpose``.

    Raises MissingSetting when there is no key.
    """
    return _cipher(purpose).encrypt(text.encode()).decode()


def decrypt(purpose: str, token: str) -> str:
    """Return the text that ``encrypt`` was given for the same ``purpose``.

    Raises InvalidToken when the key has changed or the purpose differs.
    """
    return _cipher(purpose).decrypt(token.encode()).decode()


def _cipher(purpose: str) -> Fernet:
    key = hashlib.sha256(f"{purpose}:{settings.notifier_secret_key.get_secret_value()}".encode()).digest()
    return Fernet(base64.urlsafe_b64encode(key))
