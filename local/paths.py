"""Where the local stack keeps its files: below ``.local``, except PostgreSQL's data when it must be elsewhere."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The checkout that this file belongs to."""

SOCKET_PATH_LIMIT = 107
"""Longest path of a Unix socket that PostgreSQL accepts, in bytes."""

SOCKET_NAME = ".s.PGSQL.65535"


class ForeignFile(Exception):
    """A file or folder of this checkout belongs to another user; the message says what to do."""


@dataclass(frozen=True)
class Paths:
    """The paths of one checkout. ``profile`` is ``up`` or ``demo``; the demo deletes its own state at each start.

    Only state is kept below ``root``; the code that runs is always this checkout's.
    """

    root: Path = ROOT
    profile: str = "up"

    @property
    def local(self) -> Path:
        """Return the folder of all local state."""
        return self.root / ".local"

    @property
    def state(self) -> Path:
        """Return the folder of this profile's services (Airflow's home, archive, Redis, the sandbox's files)."""
        return self.local / "demo" if self.profile == "demo" else self.local

    @property
    def log(self) -> Path:
        """Return the folder of the services' logs."""
        return self.local / "log"

    @property
    def keys(self) -> Path:
        """Return the folder of passwords and keys."""
        return self.local / "secrets"

    @property
    def processes(self) -> Path:
        """Return the folder with a JSON file for each process that was started and has not yet been seen to end."""
        return self.local / "processes"

    @property
    def lock(self) -> Path:
        """Return the path of the checkout's lock."""
        return self.local / "lock"

    @property
    def where(self) -> Path:
        """Return the path of the file that names PostgreSQL's folder."""
        return self.local / "where"

    @property
    def environment_file(self) -> Path:
        """Return the path of the settings for a terminal."""
        return self.local / "env"

    @property
    def executables(self) -> Path:
        """Return the folder of this environment's programs."""
        return Path(sys.prefix) / "bin"

    def prepare(self) -> None:
        """Create the folders. Raises ForeignFile when this user may not write to ``.local``."""
        try:
            for folder in (self.local, self.state, self.log, self.processes):
                folder.mkdir(parents=True, exist_ok=True)
            self.local.chmod(0o700)  # keys, archives with personal data
        except PermissionError as error:
            raise ForeignFile(
                f"{error.filename} belongs to another user (did you once run this as root?): "
                "remove .local as that user, or use a checkout of your own"
            ) from error

    def postgres_home(self) -> Path:
        """Return the folder for PostgreSQL's data and socket, created if needed and named in ``.local/where``.

        It is below ``.local`` when PostgreSQL can run there. It cannot as root, where the server runs as a system user
        who may not be able to reach this checkout, nor when the path is too long for a socket. Raises ForeignFile when
        the folder exists and belongs to another user or checkout.
        """
        home = self._choose_postgres_home()
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        if os.geteuid() == 0:
            home.parent.chmod(0o755)  # whatever the umask is, the server's user must get through
        if home.stat().st_uid != os.geteuid() and os.geteuid() != 0:
            raise ForeignFile(f"{home} belongs to another user, so PostgreSQL's data cannot be kept there: remove it")
        owner = home / "checkout"
        if not owner.exists():
            owner.write_text(f"{self.root}\n", "utf-8")
        elif not self._in_checkout(home) and owner.read_text("utf-8").strip() != str(self.root):
            raise ForeignFile(f"{home} holds the data of the checkout {owner.read_text('utf-8').strip()}: remove it")
        elif not self._in_checkout(home) and not self.where.exists():
            # Left by a deleted checkout of the same path: its password is lost, so nobody can open the data.
            shutil.rmtree(home / "data", ignore_errors=True)
        self.where.write_text(f"{home}\n", "utf-8")
        return home

    def recorded_postgres_home(self) -> Path | None:
        """Return the folder that ``.local/where`` names, None unless it exists and belongs to this checkout."""
        if not self.where.exists():
            return None
        home = Path(self.where.read_text("utf-8").strip())
        owner = home / "checkout"
        # A checkout that was copied with its .local still names the folder of the original.
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
