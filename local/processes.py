"""Start and stop child processes.

Each child has its own session and a recorded pid, so that the child and all of its descendants can always be stopped.
"""

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
    """A service ended unexpectedly or could not start, or a one-off command failed."""

    def __init__(self, name: str, reason: str, log: Path) -> None:
        super().__init__(f"{name} {reason}")
        self.name = name
        self.reason = reason
        self.log = log


@dataclass
class Child:
    """A child process and all its descendants.

    ``grace`` is how many seconds the process has to exit after ``stop_signal``. ``user`` is the numeric user and group
    to run as; only root can set it. ``record`` is the folder in which the pid is recorded until the process has ended.
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
        """Start the process.

        Call this only from the main thread: Linux treats the thread that starts the process as its parent.
        """
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
        # Even if the process has already ended, /proc still has its entry, because nobody has waited for the process
        # yet.
        self.born = birth(self.process.pid)
        if self.record is not None:
            _write_record(self.record / f"{self.name}.json", self)

    @property
    def pid(self) -> int:
        """Return the process id."""
        assert self.process is not None, f"{self.name} was not started"
        return self.process.pid

    @property
    def running(self) -> bool:
        """Return whether the process is running."""
        return self.process is not None and self.process.poll() is None

    def check(self) -> None:
        """Raise ServiceDied if the process has ended."""
        if self.process is not None and (code := self.process.poll()) is not None:
            raise ServiceDied(self.name, f"ended unexpectedly ({describe_exit(code)})", self.log)

    def wait_success(self, timeout: float) -> None:
        """Wait until a one-off command ends.

        Raises ServiceDied if the command fails or takes more than ``timeout`` seconds.
        """
        assert self.process is not None
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise ServiceDied(self.name, f"took more than {timeout:.0f} s", self.log) from None
        self.forget()
        if code != 0:
            raise ServiceDied(self.name, f"failed ({describe_exit(code)})", self.log)

    def ask_to_stop(self, signum: signal.Signals | None = None) -> None:
        """Send the stop signal to the process and return at once. The process must stop its own descendants."""
        if self.process is not None and self.running:
            self.process.send_signal(signum or self.stop_signal)

    def stop(self, signum: signal.Signals | None = None, grace: float | None = None) -> None:
        """Stop the process and its descendants; send SIGKILL after ``grace`` seconds. Safe to repeat."""
        if self.process is None:
            return
        self.ask_to_stop(signum)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(self.grace if grace is None else grace)
        kill_session(self.pid, self.born, time.monotonic() + 1.0)
        self.process.kill()  # kill() does nothing if the process has ended.
        self.process.wait()
        self.process = None  # After wait(), the pid may belong to another process.
        self.forget()

    def forget(self) -> None:
        """Remove the process's record."""
        if self.record is not None:
            (self.record / f"{self.name}.json").unlink(missing_ok=True)

    def last_lines(self, count: int = 12) -> list[str]:
        """Return the last lines of the process's log."""
        return last_lines(self.log, count)


def last_lines(log: Path, count: int = 12) -> list[str]:
    """Return the last lines of a log file. The file may be large, missing or not UTF-8."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 16_384))
            return file.read().decode("utf-8", "replace").splitlines()[-count:]
    except OSError:
        return []


def describe_exit(code: int) -> str:
    """Return a description of the exit code."""
    return f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"


def birth(pid: int) -> float:
    """Return the process's start time. No later process with the same pid has the same start time.

    On Linux the start time is in clock ticks since boot, so setting the clock does not change it. Raises
    psutil.NoSuchProcess.
    """
    if sys.platform != "linux":
        return float(psutil.Process(pid).create_time())
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        raise psutil.NoSuchProcess(pid) from None
    return float(fields[19])  # Field 22, "starttime". The split list starts at field 3, after the pid and the name.


def session_members(session: int, born: float) -> list[psutil.Process]:
    """Return the running processes of a session.

    The session's leader is or was the process with the pid ``session`` and the start time ``born``. If another process
    has this pid now, the list is empty: the system reuses a pid only after the whole session has ended.
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
    """Stop a session's remaining processes. Send SIGTERM at once and SIGKILL after ``polite_until`` (monotonic time).

    Stopping a process group would not be enough, because Airflow's tasks and parsers have their own process groups.
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
    """Stop the processes recorded in ``folder`` that an earlier stack left running; return their names.

    A process matches its record if the pid, the start time and the boot id are equal. A different program with a reused
    pid is therefore left alone. If the session's leader has ended, the other processes in the session are still
    stopped.
    """
    stopped = []
    for path in sorted(folder.glob("*.json")):
        try:
            note = json.loads(path.read_text("utf-8"))
        except ValueError:  # A damaged record names no process, so there is nothing to stop.
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
    """Return an id that changes with each boot of the operating system."""
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text("ascii").strip() if path.exists() else str(round(float(psutil.boot_time())))


def end_with_parent(signum: signal.Signals) -> None:
    """Ask the kernel to send ``signum`` to this process when its parent dies, even if SIGKILL ends the parent.

    Works only on Linux.
    """
    if _prctl is not None:
        _prctl(PR_SET_PDEATHSIG, int(signum))


def _end_with_parent(signum: signal.Signals, parent: int) -> Callable[[], None]:
    """Return a function that the child calls after fork and before exec."""

    def prepare() -> None:
        end_with_parent(signum)
        if os.getppid() != parent:  # The parent may have died before prctl took effect.
            os._exit(1)

    return prepare
