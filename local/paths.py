"""Paths of the local stack's files. All files are below ``.local``, except that PostgreSQL's data may be elsewhere."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The root folder of this checkout."""

SOCKET_PATH_LIMIT = 107
"""The longest Unix socket path that PostgreSQL accepts, in bytes."""

SOCKET_NAME = ".s.PGSQL.65535"


class ForeignFile(Exception):
    """A file or folder belongs to another user or another checkout; the message names the remedy."""


@dataclass(frozen=True)
class Paths:
    """The paths of one checkout. ``profile`` is ``up`` or ``demo``.

    The demo deletes its own state every time it starts. ``root`` is the parent of ``.local``. The code that runs is
    always in this checkout, even if ``root`` is elsewhere.
    """

    root: Path = ROOT
    profile: str = "up"

    @property
    def local(self) -> Path:
        """Return the path of ``.local``, the folder that holds all local state."""
        return self.root / ".local"

    @property
    def state(self) -> Path:
        """Return the folder with this profile's Airflow home, archive, Redis data and sandbox data."""
        return self.local / "demo" if self.profile == "demo" else self.local

    @property
    def log(self) -> Path:
        """Return the folder with the services' logs."""
        return self.local / "log"

    @property
    def keys(self) -> Path:
        """Return the folder with the passwords and keys."""
        return self.local / "secrets"

    @property
    def processes(self) -> Path:
        """Return the folder with one JSON file for each started process that may still be running."""
        return self.local / "processes"

    @property
    def lock(self) -> Path:
        """Return the path of the checkout's lock file."""
        return self.local / "lock"

    @property
    def where(self) -> Path:
        """Return the path of the file that names PostgreSQL's folder."""
        return self.local / "where"

    @property
    def environment_file(self) -> Path:
        """Return the path of the file with the stack's settings, for use in a terminal."""
        return self.local / "env"

    @property
    def executables(self) -> Path:
        """Return this virtual environment's ``bin`` folder."""
        return Path(sys.prefix) / "bin"

    def prepare(self) -> None:
        """Create the folders. Raises ForeignFile if this user cannot write to ``.local``."""
        try:
            for folder in (self.local, self.state, self.log, self.processes):
                folder.mkdir(parents=True, exist_ok=True)
            self.local.chmod(0o700)  # The folder contains keys and archives with personal data.
        except PermissionError as error:
            raise ForeignFile(
                f"{error.filename} belongs to another user (did you once run this as root?): "
                "remove .local as that user, or use a checkout of your own"
            ) from error

    def postgres_home(self) -> Path:
        """Return the folder for PostgreSQL's data and socket.

        The folder is created if needed, and its path is written to ``.local/where``. The folder is below ``.local``
        unless this process runs as root or the path would be too long for a socket. When root starts PostgreSQL,
        PostgreSQL runs as a system user, who may not be able to read this checkout. Raises ForeignFile if the folder
        belongs to another user or checkout.
        """
        home = self._choose_postgres_home()
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        if os.geteuid() == 0:
            home.parent.chmod(0o755)  # Let the server's user enter the folder, whatever the umask is.
        if home.stat().st_uid != os.geteuid() and os.geteuid() != 0:
            raise ForeignFile(f"{home} belongs to another user, so PostgreSQL's data cannot be kept there: remove it")
        owner = home / "checkout"
        if not owner.exists():
            owner.write_text(f"{self.root}\n", "utf-8")
        elif not self._in_checkout(home) and owner.read_text("utf-8").strip() != str(self.root):
            raise ForeignFile(f"{home} holds the data of the checkout {owner.read_text('utf-8').strip()}: remove it")
        elif not self._in_checkout(home) and not self.where.exists():
            # This data is from a deleted checkout with the same path. The password for this data is lost, so nobody can
            # read the data.
            shutil.rmtree(home / "data", ignore_errors=True)
        self.where.write_text(f"{home}\n", "utf-8")
        return home

    def recorded_postgres_home(self) -> Path | None:
        """Return the folder named in ``.local/where``, or None if it is missing or belongs to another checkout."""
        if not self.where.exists():
            return None
        home = Path(self.where.read_text("utf-8").strip())
        owner = home / "checkout"
        # If a checkout was copied with its .local, the file still names the original checkout's folder.
        if not owner.exists() or owner.read_text("utf-8").strip() != str(self.root):
            return None
        return home

    def _choose_postgres_home(self) -> Path:
        digest = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:10]
        if os.geteuid() == 0:
            return Path("/var/lib/miami-dade-leads") / digest
        inside = self.local / "postgres"
        if len(os.fsencode(inside / SOCKET_NAME)) <= SOCKET_PATH_LIMIT:
            return inside
        lasting = Path("/var/tmp")
        base = lasting if lasting.is_dir() else Path(tempfile.gettempdir())
        return base / f"miami-dade-leads-{os.geteuid()}-{digest}"

    def _in_checkout(self, path: Path) -> bool:
        return path.is_relative_to(self.local)
