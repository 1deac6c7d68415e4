"""Create the local stack's passwords and signing keys once per checkout.

Only the user who runs the stack can read the files that contain the passwords and keys.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path


def _fernet() -> str:
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


MAKERS: dict[str, Callable[[], str]] = {
    "postgres_password": lambda: secrets.token_hex(16),
    "airflow_jwt_secret": lambda: secrets.token_hex(64),
    "airflow_fernet_key": _fernet,
    "airflow_secret_key": lambda: secrets.token_hex(32),
    "airflow_admin_password": lambda: secrets.token_urlsafe(9),
    "airflow_op_password": lambda: secrets.token_urlsafe(9),
    "airflow_viewer_password": lambda: secrets.token_urlsafe(9),
    "notifier_secret_key": _fernet,
    "app_api_token": lambda: secrets.token_urlsafe(24),
}


def load_keys(folder: Path) -> dict[str, str]:
    """Create any missing keys in ``folder``; return all keys."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    path = folder / "keys.json"
    kept: dict[str, str] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    keys = {name: kept.get(name) or make() for name, make in MAKERS.items()}
    if keys != kept:
        write_private(path, json.dumps(keys, indent=1))
    return keys


def write_private(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` atomically and with mode 0600. A reader never sees a partly written file."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)
