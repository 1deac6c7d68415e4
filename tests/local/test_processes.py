"""The stack leaves no process running and stops no other program's process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from local.processes import Child, ServiceDied, birth, session_members, stop_leftovers

SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    # Start a child in its own process group, like one of Airflow's tasks. Both the parent and the child ignore SIGTERM.
    "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "if os.fork() == 0: os.setpgid(0, 0)\n"
    "print('ready', flush=True); time.sleep(60)",
]


def test_stop_ends_descendants_in_other_process_groups(tmp_path: Path) -> None:
    child = _start(tmp_path, STUBBORN, grace=0.2)
    _wait_for_line(child, "ready\nready")
    session, born = child.pid, child.born
    assert len(session_members(session, born)) == 2
    child.stop()
    assert session_members(session, born) == []
    assert list(tmp_path.glob("*.json")) == []


def test_stop_twice_does_nothing(tmp_path: Path) -> None:
    child = _start(tmp_path, SLEEPER)
    child.stop()
    child.stop()
    assert not child.running


def test_a_service_that_dies_is_named_with_its_log(tmp_path: Path) -> None:
    child = _start(tmp_path, [sys.executable, "-c", "print('disk full'); raise SystemExit(3)"])
    deadline = time.monotonic() + 10
    with pytest.raises(ServiceDied, match=r"service ended unexpectedly \(exit code 3\)") as caught:
        while time.monotonic() < deadline:
            child.check()
            time.sleep(0.02)
    assert caught.value.log == child.log
    assert child.last_lines() == ["disk full"]
    child.stop()


def test_processes_that_an_earlier_start_left_running_are_stopped(tmp_path: Path) -> None:
    child = _start(tmp_path, SLEEPER)
    assert stop_leftovers(tmp_path) == ["service"]
    assert not child.running
    assert stop_leftovers(tmp_path) == []


def test_descendants_of_a_dead_leader_are_ended(tmp_path: Path) -> None:
    child = _start(tmp_path, STUBBORN)
    _wait_for_line(child, "ready\nready")
    assert child.process is not None
    child.process.kill()
    child.process.wait()
    assert stop_leftovers(tmp_path) == ["service"]
    assert session_members(child.pid, child.born) == []


@pytest.mark.parametrize("changed", [{"born": 1.0}, {"boot": "another boot"}])
def test_a_process_with_a_reused_pid_is_left_alone(tmp_path: Path, changed: dict[str, object]) -> None:
    with subprocess.Popen(SLEEPER, start_new_session=True) as other:
        try:
            own = _start(tmp_path, SLEEPER)
            note = json.loads((tmp_path / "service.json").read_text())
            own.stop()
            note |= {"pid": other.pid, "born": birth(other.pid)} | changed
            (tmp_path / "service.json").write_text(json.dumps(note))
            assert stop_leftovers(tmp_path) == []
            assert other.poll() is None
            assert list(tmp_path.glob("*.json")) == []
        finally:
            other.kill()


def test_a_damaged_record_stops_no_process(tmp_path: Path) -> None:
    (tmp_path / "service.json").write_text("{")
    assert stop_leftovers(tmp_path) == []
    assert list(tmp_path.glob("*.json")) == []


def test_birth_tells_processes_apart() -> None:
    assert birth(os.getpid()) == birth(os.getpid())
    with pytest.raises(psutil.NoSuchProcess):
        birth(2**22 + 1)


def _start(folder: Path, command: list[str], grace: float = 5.0) -> Child:
    child = Child("service", command, folder / "service.log", folder=folder, grace=grace, record=folder)
    child.start()
    return child


def _wait_for_line(child: Child, text: str) -> None:
    deadline = time.monotonic() + 10
    while text not in child.log.read_text() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert text in child.log.read_text()
