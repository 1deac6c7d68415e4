"""Where the local stack keeps what: everything below ``.local``, except PostgreSQL's data when it may not."""

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
"""Longest path of a Unix socket, in bytes (PostgreSQL refuses longer ones)."""

SOCKET_NAME = ".s.PGSQL.65535"


class ForeignFile(Exception):
    """A place of this checkout belongs to someone else; the message says what to do."""


@dataclass(frozen=True)
class Paths:
    """The paths of one checkout. ``profile`` is ``up`` or ``demo``: the demo wipes its own state at each start.

    Only state lies below ``root``; what runs is always this checkout's code.
    """

    root: Path = ROOT
    profile: str = "up"

    @property
    def local(self) -> Path:
        return self.root / ".local"

    @property
    def state(self) -> Path:
        """What the services of this profile write (Airflow's home, archive, Redis, the sandbox's files)."""
        return self.local / "demo" if self.profile == "demo" else self.local

    @property
    def log(self) -> Path:
        return self.local / "log"

    @property
    def keys(self) -> Path:
        return self.local / "secrets"

    @property
    def processes(self) -> Path:
        """One JSON file for each process that was started and not yet seen to end."""
        return self.local / "processes"

    @property
    def lock(self) -> Path:
        return self.local / "lock"

    @property
    def where(self) -> Path:
        return self.local / "where"

    @property
    def environment_file(self) -> Path:
        return self.local / "env"

    @property
    def executables(self) -> Path:
        return Path(sys.prefix) / "bin"

    def prepare(self) -> None:
        """Makes the folders. Raises NotOurs when ``.local`` cannot be written by this user."""
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
        """The folder for PostgreSQL's data and socket, made if need be, and named in ``.local/where``.

        Below ``.local`` when PostgreSQL can live there: not as root, where the server runs as a system user
        who may be unable to reach this checkout, and not when the path is too long for a socket.
        Raises NotOurs when the folder exists and another user or checkout owns it.
        """
        home = self._choose_postgres_home()
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        if os.geteuid() == 0:
            home.parent.chmod(0o755)  # whatever the umask: the server's user must get through
        if home.stat().st_uid != os.geteuid() and os.geteuid() != 0:
            raise ForeignFile(f"{home} belongs to another user: PostgreSQL's data cannot be kept there; remove it")
        owner = home / "checkout"
        if not owner.exists():
            owner.write_text(f"{self.root}\n", "utf-8")
        elif not self._in_checkout(home) and owner.read_text("utf-8").strip() != str(self.root):
            raise ForeignFile(f"{home} holds the data of the checkout {owner.read_text('utf-8').strip()}; remove it")
        elif not self._in_checkout(home) and not self.where.exists():
            # Left by a checkout that was here and was deleted, and with it the password: nobody can open it any more.
            shutil.rmtree(home / "data", ignore_errors=True)
        self.where.write_text(f"{home}\n", "utf-8")
        return home

    def recorded_postgres_home(self) -> Path | None:
        """The folder that ``.local/where`` names, if it exists and is this checkout's."""
        if not self.where.exists():
            return None
        home = Path(self.where.read_text("utf-8").strip())
        owner = home / "checkout"
        # A checkout copied with its .local still names the folder of the one it was copied from.
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
