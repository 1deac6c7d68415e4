"""Temporary folders of the test servers. The next run removes those of a run that was killed."""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

PREFIX = "leads-tests-"
MEMORY = Path("/dev/shm")
#: Free space in bytes that a file system in memory needs to have: PostgreSQL writes up to 1 GB there, twice with -n 2.
ENOUGH = 4 << 30


@contextmanager
def service_folder(name: str, *, in_memory: bool = False) -> Iterator[Path]:
    """Yield an empty folder that is removed afterwards.

    PostgreSQL's system user can reach it, unlike pytest's own folders, and its path is short enough for sockets.
    With ``in_memory`` it is in memory where this machine has room there.
    """
    base = MEMORY if in_memory and _has_room(MEMORY) else temporary_folder()
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=process_folder(base)))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def temporary_folder() -> Path:
    """Return the system's temporary folder; for root one that other users can reach, whatever TMPDIR says."""
    return Path("/tmp" if os.geteuid() == 0 else tempfile.gettempdir())


@cache
def process_folder(base: Path) -> Path:
    """Return this process's own folder below ``base``, which is removed when the process ends.

    The process holds a lock on it as long as it lives. A folder whose lock is free belonged to a process that was
    killed, and is removed here.
    """
    remove_leftovers(base)
    # Renamed once it is locked: until then another process would take it for a leftover.
    draft = Path(tempfile.mkdtemp(prefix=f"new-{PREFIX}", dir=base))
    draft.chmod(0o755)
    lock = os.open(draft / "lock", os.O_CREAT | os.O_WRONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    folder = draft.rename(base / draft.name.removeprefix("new-"))
    atexit.register(_remove_own, folder, os.getpid())
    return folder


def remove_leftovers(base: Path) -> None:
    """Remove the folders of processes that ended without removing them."""
    for lock in base.glob(f"{PREFIX}*/lock"):
        try:
            descriptor = os.open(lock, os.O_WRONLY)
        except OSError:  # removed in the meantime, or another user's
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock.parent, ignore_errors=True)
        except BlockingIOError:
            pass
        finally:
            os.close(descriptor)


def _remove_own(folder: Path, owner: int) -> None:
    if os.getpid() == owner:  # a fork of the process runs this too
        shutil.rmtree(folder, ignore_errors=True)


def _has_room(folder: Path) -> bool:
    """Return whether servers can keep their data and run their programs below ``folder``."""
    try:
        system = os.statvfs(folder)
    except OSError:
        return False
    is_enough = system.f_bavail * system.f_frsize >= ENOUGH
    return is_enough and os.access(folder, os.W_OK) and not system.f_flag & os.ST_NOEXEC
