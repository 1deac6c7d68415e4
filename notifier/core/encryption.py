"""Encrypts values with NOTIFIER_SECRET_KEY, so that nobody can read them in the database or in Redis."""

from __future__ import annotations

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken

from notifier.core.settings import settings

__all__ = ["InvalidToken", "decrypt", "encrypt"]


def encrypt(purpose: str, text: str) -> str:
    """Encrypt ``text`` for one ``purpose``.

    Raises MissingSetting if no key is set.
    """
    return _cipher(purpose).encrypt(text.encode()).decode()


def decrypt(purpose: str, token: str) -> str:
    """Decrypt text that was encrypted for the same ``purpose``.

    Raises InvalidToken if the key has changed or the purpose is different.
    """
    return _cipher(purpose).decrypt(token.encode()).decode()


def _cipher(purpose: str) -> Fernet:
    key = hashlib.sha256(f"{purpose}:{settings.notifier_secret_key.get_secret_value()}".encode()).digest()
    return Fernet(base64.urlsafe_b64encode(key))
