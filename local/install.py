"""Create ``.venv`` and install the locked requirements. This module imports only the standard library.

``python3 -m local.install [--dev]`` does nothing if the lock files have not changed since the last installation. Each
package's hash must match the lock file, so an index or a mirror cannot supply a file that differs from the locked one.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
OLDEST_PYTHON = (3, 11)
INSTALLER = "requirements-installer.txt"
"""The lock of uv, which installs the other locks."""

LOCKS = {False: ["requirements.txt"], True: ["requirements.txt", "requirements-dev.txt"]}


class InstallationFailed(Exception):
    """The installation failed; the message names the cause and the remedy."""


def main() -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m local.install", description=__doc__)
    parser.add_argument("--dev", action="store_true", help="also install what lint and tests need")
    dev = bool(parser.parse_args().dev)
    try:
        install(LOCKS[dev])
    except InstallationFailed as error:
        print(f"installation: FAILED: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("installation: interrupted; run make again to continue", file=sys.stderr)
        return 130
    return 0


def install(locks: list[str]) -> None:
    """Install the packages in the lock files into ``.venv``. Raises InstallationFailed."""
    if sys.version_info < OLDEST_PYTHON:
        wanted, found = ".".join(map(str, OLDEST_PYTHON)), sys.version.split()[0]
        raise InstallationFailed(
            f"Python {wanted} or newer is needed, and `{sys.executable}` is {found}: "
            f"run make PYTHON=/path/to/python{wanted}"
        )
    if not _venv_starts():
        _create_venv()
    missing = [lock for lock in locks if not _stamp(lock).exists() or _stamp(lock).read_text("utf-8") != _digest(lock)]
    if missing:
        started = time.monotonic()
        print(f"installing {' and '.join(missing)} into .venv (a few minutes the first time) …", flush=True)
        _install_requirements(missing)
        for lock in missing:
            _stamp(lock).write_text(_digest(lock), "utf-8")
        print(f"installed in {time.monotonic() - started:.0f} s", flush=True)
    _add_checkout_to_path()


def _venv_starts() -> bool:
    """Return whether .venv's Python starts.

    Python does not start if .venv was moved or if the Python that created .venv was removed.
    """
    if not PYTHON.exists():
        return False
    result = subprocess.run([PYTHON, "-c", "import encodings"], check=False, capture_output=True)
    return result.returncode == 0


def _create_venv() -> None:
    """Create .venv. If .venv already exists, remove it first.

    Call this function only if .venv's Python does not start, because a process might be using a working .venv.
    """
    if VENV.exists():
        print("Python in .venv no longer starts: creating .venv again …", flush=True)
        shutil.rmtree(VENV)
    print(f"creating .venv with Python {sys.version.split()[0]} …", flush=True)
    result = subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=False)
    if result.returncode != 0:
        shutil.rmtree(VENV, ignore_errors=True)
        raise InstallationFailed(
            f"`{sys.executable} -m venv` failed; on Debian and Ubuntu venv is a separate package: "
            "apt-get install python3-venv"
        )


def _ensure_pip() -> None:
    if subprocess.run([PYTHON, "-m", "pip", "--version"], check=False, capture_output=True).returncode == 0:
        return
    if subprocess.run([PYTHON, "-m", "ensurepip", "--default-pip"], check=False, capture_output=True).returncode != 0:
        raise InstallationFailed(".venv has neither pip nor ensurepip: remove .venv and run make again")


def _install_requirements(locks: list[str]) -> None:
    arguments = ["--require-hashes", *(argument for lock in locks for argument in ("-r", str(ROOT / lock)))]
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if not _has_uv():
        _ensure_pip()
    uv_lock = ["--require-hashes", "-r", str(ROOT / INSTALLER)]
    fetched = _has_uv() or subprocess.run([*pip, *uv_lock], check=False).returncode == 0
    if fetched:
        uv = [
            str(PYTHON),
            "-m",
            "uv",
            "pip",
            "install",
            "--quiet",
            "--compile-bytecode",
            "--python",
            str(PYTHON),
            *arguments,
        ]
        if subprocess.run(uv, check=False).returncode == 0:
            return
    print("uv could not install the requirements; trying pip, which takes longer …", flush=True)
    _ensure_pip()
    if subprocess.run([*pip, *arguments], check=False).returncode != 0:
        names = " and ".join(locks)
        raise InstallationFailed(f"neither uv nor pip could install {names}: see their messages above")


def _has_uv() -> bool:
    command = [str(PYTHON), "-m", "uv", "--version"]
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    locked = (ROOT / INSTALLER).read_text("utf-8").split()[0]
    return result.returncode == 0 and locked.partition("==")[2] in result.stdout.split()


def _add_checkout_to_path() -> None:
    """Make ``leads``, ``notifier``, ``county`` … importable from any folder, like an editable install."""
    for folder in (VENV / "lib").glob("python3.*/site-packages"):
        path = folder / "miami_dade_leads.pth"
        lines = f"{ROOT}\n"
        if not path.exists() or path.read_text("utf-8") != lines:
            path.write_text(lines, "utf-8")


def _stamp(lock: str) -> Path:
    return VENV / f"{lock}.installed"


def _digest(lock: str) -> str:
    return hashlib.sha256((ROOT / lock).read_bytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
