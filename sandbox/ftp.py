"""The county's FTP server, which runs pyftpdlib and generates each file when a client first asks for it."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.filesystems import AbstractedFS
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import ThreadedFTPServer

from sandbox import FTP_PASSWORD, FTP_USER
from sandbox.county import FEEDS, County

READ_ONLY = "elr"


def make_server(county: County, host: str, port: int) -> ThreadedFTPServer:
    """Return a listening FTP server with the files of ``county``. If ``port`` is 0, the server chooses a free port."""
    county.folder.mkdir(parents=True, exist_ok=True)
    authorizer = DummyAuthorizer()
    authorizer.add_user(FTP_USER, FTP_PASSWORD, str(county.folder), perm=READ_ONLY)
    file_system = type("CountyFiles", (_CountyFiles,), {"county": county})
    handler = type(
        "CountyHandler",
        (FTPHandler,),
        {"authorizer": authorizer, "abstracted_fs": file_system, "banner": "Sandbox of the county's files."},
    )
    server = ThreadedFTPServer((host, port), handler)
    server.max_cons = 256
    return server


class _CountyFiles(AbstractedFS):  # type: ignore[misc]  # pyftpdlib is untyped
    """Presents each feed as a directory, and maps each path in the directory to the county's file with that name."""

    county: County

    def ftp2fs(self, ftppath: str) -> str:
        path = PurePosixPath(self.ftpnorm(ftppath))
        if len(path.parts) == 3 and path.parts[1] in FEEDS:
            made = self.county.file(path.parts[1], path.name, datetime.now(UTC))
            return str(made or self.county.folder / "no such file")
        return str(self.county.folder.joinpath(*path.parts[1:]))

    def listdir(self, path: str) -> list[str]:
        feed = Path(path).name
        return self.county.names(feed, datetime.now(UTC)) if feed in FEEDS else list(FEEDS)

    def isdir(self, path: str) -> bool:
        return Path(path) == self.county.folder or Path(path).name in FEEDS

    def chdir(self, path: str) -> None:
        self.cwd = self.fs2ftp(path)

    def realpath(self, path: str) -> str:
        return path

    def lstat(self, path: str) -> Any:
        """Return a file's status.

        Listing a directory generates no files, so a file that has not been generated yet has size 0.
        """
        if Path(path).exists():
            return os.lstat(path)
        kind = stat.S_IFDIR if self.isdir(path) else stat.S_IFREG
        return os.stat_result((kind | 0o444, 0, 0, 1, 0, 0, 0, 0, 0, 0))

    stat = lstat
