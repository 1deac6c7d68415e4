"""Temporary folders for the test servers. The next run removes the folders that a killed run left behind."""

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
#: Use the in-memory file system only if this many bytes are free. PostgreSQL writes up to 1 GB per test process.
ENOUGH = 4 << 30


@contextmanager
def service_folder(name: str, *, in_memory: bool = False) -> Iterator[Path]:
    """Yield an empty folder that is removed afterwards.

    PostgreSQL's system user can reach this folder, and the folder's path is short enough for sockets. Pytest's own
    folders may be inaccessible to that user, and their paths may be too long. If ``in_memory`` is true and this machine
    has enough free memory, the folder is in memory.
    """
    base = MEMORY if in_memory and _has_room(MEMORY) else temporary_folder()
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=process_folder(base)))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def temporary_folder() -> Path:
    """Return the system's temporary folder.

    For root, return /tmp and ignore TMPDIR, because other users can reach /tmp.
    """
    return Path("/tmp" if os.geteuid() == 0 else tempfile.gettempdir())


@cache
def process_folder(base: Path) -> Path:
    """Return a folder below ``base`` that belongs to this process and is removed when the process ends.

    The process locks the folder until it ends. If a folder is unlocked, its process was killed, so the next call of
    this function removes the folder.
    """
    remove_leftovers(base)
    # Lock the folder before giving it its final name, so that no other process mistakes it for a leftover.
    draft = Path(tempfile.mkdtemp(prefix=f"new-{PREFIX}", dir=base))
    draft.chmod(0o755)
    lock = os.open(draft / "lock", os.O_CREAT | os.O_WRONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    folder = draft.rename(base / draft.name.removeprefix("new-"))
    atexit.register(_remove_own, folder, os.getpid())
    return folder


def remove_leftovers(base: Path) -> None:
    """Remove the folders of processes that were killed."""
    for lock in base.glob(f"{PREFIX}*/lock"):
        try:
            descriptor = os.open(lock, os.O_WRONLY)
        except OSError:  # Another process removed the folder, or another user owns it.
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock.parent, ignore_errors=True)
        except BlockingIOError:
            pass
        finally:
            os.close(descriptor)


def _remove_own(folder: Path, owner: int) -> None:
    if os.getpid() == owner:  # Forks of this process also run its exit handlers.
        shutil.rmtree(folder, ignore_errors=True)


def _has_room(folder: Path) -> bool:
    """Return whether ``folder`` has enough free space, and whether servers can write files and run programs in it."""
    try:
        system = os.statvfs(folder)
    except OSError:
        return False
    is_enough = system.f_bavail * system.f_frsize >= ENOUGH
    return is_enough and os.access(folder, os.W_OK) and not system.f_flag & os.ST_NOEXEC
