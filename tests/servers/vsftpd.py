"""Run vsftpd, Debian's FTP server, on a free port of the loopback interface."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from local.ports import LOOPBACK, free_port
from local.processes import Child
from tests.servers.waiting import wait_for_port

PROGRAM = shutil.which("vsftpd") or shutil.which("vsftpd", path="/usr/sbin")

PLAIN = {
    "listen": "YES",
    "listen_address": LOOPBACK,
    "background": "NO",
    "anonymous_enable": "YES",
    "no_anon_password": "NO",
    "local_enable": "NO",
    "write_enable": "NO",
    "seccomp_sandbox": "NO",
    "xferlog_enable": "NO",
    "idle_session_timeout": "60",
}
#: The settings that a careful operator chooses. Everything is encrypted, and a data connection must reuse the TLS
#: session of its login.
TLS = {
    "ssl_enable": "YES",
    "allow_anon_ssl": "YES",
    "force_anon_logins_ssl": "YES",
    "force_anon_data_ssl": "YES",
    "require_ssl_reuse": "YES",
    "ssl_ciphers": "HIGH",
}


def require() -> None:
    """Skip the test if vsftpd cannot run. In CI, fail the test if vsftpd is not installed."""
    missing = "" if PROGRAM else "vsftpd is not installed (apt-get install vsftpd)"
    if not missing and os.geteuid() != 0:
        missing = "vsftpd must be started by root"
    if missing and os.environ.get("CI") == "true" and not PROGRAM:
        pytest.fail(f"{missing}: CI must test with it")
    if missing:
        pytest.skip(missing)


@contextmanager
def running_vsftpd(folder: Path, published: Path, certificate: Path | None = None) -> Iterator[int]:
    """Serve the files below ``published`` to anonymous users; yield the port.

    The server keeps its own files in ``folder``.
    """
    assert PROGRAM is not None
    port = free_port()
    empty = folder / "empty"
    empty.mkdir()
    settings = PLAIN | {"listen_port": str(port), "anon_root": str(published), "secure_chroot_dir": str(empty)}
    if certificate:
        settings |= TLS | {"rsa_cert_file": str(certificate)}
    configuration = folder / "vsftpd.conf"
    configuration.write_text("".join(f"{name}={value}\n" for name, value in settings.items()), "ascii")
    child = Child("vsftpd", [PROGRAM, configuration], folder / "vsftpd.log", folder=folder)
    child.start()
    try:
        wait_for_port(child, port)
        yield port
    finally:
        child.stop()
