"""Child processes that are never left behind: each in a session of its own, recorded, stopped by pid."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

PR_SET_PDEATHSIG = 1
_prctl = ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None


class ServiceDied(Exception):
    """A process ended that should be running, or a one-off command failed."""

    def __init__(self, name: str, reason: str, log: Path) -> None:
        super().__init__(f"{name} {reason}")
        self.name = name
        self.reason = reason
        self.log = log


@dataclass
class Child:
    """One process with all its descendants.

    ``grace`` is the time in seconds it gets to end after ``stop_signal``; ``user`` is a numeric user and group to run
    as (root only); ``record`` the folder in which the pid is kept until the process has ended.
    """

    name: str
    command: Sequence[str | Path]
    log: Path
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    folder: Path | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    grace: float = 10.0
    user: tuple[int, int] | None = None
    record: Path | None = None
    process: subprocess.Popen[bytes] | None = None
    born: float = 0.0

    def start(self) -> None:
        """Starts it. Call from the main thread only: Linux counts the starting *thread* as the parent."""
        user: dict[str, Any] = {}
        if self.user is not None:
            user = {"user": self.user[0], "group": self.user[1], "extra_groups": []}
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [str(part) for part in self.command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(self.environment),
                cwd=self.folder,
                start_new_session=True,
                preexec_fn=_end_with_parent(self.stop_signal, os.getpid()),
                **user,
            )
        # Not reaped yet, so its entry is still there even if it has ended already.
        self.born = birth(self.process.pid)
        if self.record is not None:
            _write_record(self.record / f"{self.name}.json", self)

    @property
    def pid(self) -> int:
        assert self.process is not None, f"{self.name} was not started"
        return self.process.pid

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def check(self) -> None:
        """Raises ServiceDied when the process has ended."""
        if self.process is not None and (code := self.process.poll()) is not None:
            raise ServiceDied(self.name, f"ended unexpectedly ({describe_exit(code)})", self.log)

    def wait_success(self, timeout: float) -> None:
        """Waits for a one-off command. Raises ServiceDied when it fails or takes more than ``timeout`` seconds."""
        assert self.process is not None
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise ServiceDied(self.name, f"took more than {timeout:.0f} s", self.log) from None
        self.forget()
        if code != 0:
            raise ServiceDied(self.name, f"failed ({describe_exit(code)})", self.log)

    def ask_to_stop(self, signum: signal.Signals | None = None) -> None:
        """Sends the stop signal (to the process itself, who knows how to end its own) and returns at once."""
        if self.process is not None and self.running:
            self.process.send_signal(signum or self.stop_signal)

    def stop(self, signum: signal.Signals | None = None, grace: float | None = None) -> None:
        """Ends it with all its descendants: politely first, after ``grace`` seconds by SIGKILL. Safe to repeat."""
        if self.process is None:
            return
        self.ask_to_stop(signum)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(self.grace if grace is None else grace)
        kill_session(self.pid, self.born, time.monotonic() + 1.0)
        self.process.kill()  # nothing happens when it has ended
        self.process.wait()
        self.process = None  # its pid may belong to somebody else from now on
        self.forget()

    def forget(self) -> None:
        if self.record is not None:
            (self.record / f"{self.name}.json").unlink(missing_ok=True)

    def last_lines(self, count: int = 12) -> list[str]:
        return last_lines(self.log, count)


def last_lines(log: Path, count: int = 12) -> list[str]:
    """The last lines of a log file that may be large, missing or not UTF-8."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 16_384))
            return file.read().decode("utf-8", "replace").splitlines()[-count:]
    except OSError:
        return []


def describe_exit(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"


def birth(pid: int) -> float:
    """When the process started, as a number that no later process of that pid has. Raises psutil.NoSuchProcess.

    On Linux in ticks since the boot: unlike the time of day, they do not move when the clock is set.
    """
    if sys.platform != "linux":
        return float(psutil.Process(pid).create_time())
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        raise psutil.NoSuchProcess(pid) from None
    return float(fields[19])  # field 22, "starttime", counted after the name in parentheses


def session_members(session: int, born: float) -> list[psutil.Process]:
    """The living processes of the session whose leader was, or is, the process ``session`` born at ``born``.

    Empty when that pid has been given to another process since, which the system does only after the whole session
    has ended.
    """
    members = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) != session:
                continue
            born_then = birth(process.pid)
            if born_then < born or (process.pid == session and born_then != born):
                return []
            if process.status() != psutil.STATUS_ZOMBIE:
                members.append(process)
        except (ProcessLookupError, PermissionError, psutil.Error):
            continue
    return members


def kill_session(session: int, born: float, polite_until: float) -> None:
    """Ends what is left of a session: SIGTERM at once, SIGKILL from ``polite_until`` (monotonic time) on.

    A session, not a process group: Airflow's tasks and parsers have groups of their own in their parent's session.
    """
    asked: set[int] = set()
    while members := session_members(session, born):
        for member in members:
            late = time.monotonic() >= polite_until
            with contextlib.suppress(psutil.Error):
                if late:
                    member.kill()
                elif member.pid not in asked:
                    member.terminate()
                    asked.add(member.pid)
        time.sleep(0.05)


def stop_leftovers(folder: Path) -> list[str]:
    """Ends the processes that an earlier start recorded in ``folder`` and did not stop; returns their names.

    A process counts as recorded when pid, start time and boot agree, so that a pid used again by something else is
    left alone. When only the leader is gone, what is left of its session is ended.
    """
    stopped = []
    for path in sorted(folder.glob("*.json")):
        try:
            note = json.loads(path.read_text("utf-8"))
        except ValueError:  # damaged by hand or by a full disk: nothing is known, so nothing is ended
            path.unlink(missing_ok=True)
            continue
        if note["boot"] == _boot() and _end_recorded(int(note["pid"]), float(note["born"]), int(note["signal"])):
            stopped.append(str(note["name"]))
        path.unlink(missing_ok=True)
    return stopped


def _end_recorded(pid: int, born: float, signum: int) -> bool:
    if not session_members(pid, born):
        return False
    with contextlib.suppress(psutil.NoSuchProcess):
        leader = psutil.Process(pid)
        if birth(pid) == born:
            leader.send_signal(signum)
            with contextlib.suppress(psutil.TimeoutExpired):
                leader.wait(10)
    kill_session(pid, born, time.monotonic() + 3.0)
    return True


def _write_record(path: Path, child: Child) -> None:
    note = {
        "name": child.name,
        "pid": child.pid,
        "born": child.born,
        "signal": int(child.stop_signal),
        "boot": _boot(),
    }
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(note), "utf-8")
    draft.replace(path)


def _boot() -> str:
    """Tells one run of the operating system from the next."""
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text("ascii").strip() if path.exists() else str(round(float(psutil.boot_time())))


def end_with_parent(signum: signal.Signals) -> None:
    """On Linux, has the kernel send this process ``signum`` when its parent dies, by SIGKILL too."""
    if _prctl is not None:
        _prctl(PR_SET_PDEATHSIG, int(signum))


def _end_with_parent(signum: signal.Signals, parent: int) -> Callable[[], None]:
    """A function for the new child to call before it becomes the program."""

    def prepare() -> None:
        end_with_parent(signum)
        if os.getppid() != parent:  # it died before the call above
            os._exit(1)

    return prepare
