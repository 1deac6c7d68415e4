"""FTP and FTPS work with pyftpdlib and with vsftpd, two servers that behave very differently."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from county.errors import LoginRefused, PermanentIngestionError
from county.ftp import CountyFtp
from tests.county.conftest import connect_to
from tests.servers import vsftpd
from tests.servers.certificates import make_certificate
from tests.servers.folders import service_folder
from tests.servers.ftp import PASSWORD, USER, CountyServer, running_ftp_server

PLAIN = ["pyftpdlib", "vsftpd"]
OVER_TLS = ["pyftpdlib over TLS", "vsftpd over TLS"]
WRITTEN = datetime(2026, 11, 19, 21, 30, tzinfo=UTC)
CONTENT = os.urandom(700_000)


@dataclass(frozen=True)
class Server:
    """A running server that has CONTENT in ``/daily/Cases.exp``. ``certificate`` is None for plain FTP."""

    port: int
    user: str
    password: str
    certificate: Path | None

    def connect(self, monkeypatch: pytest.MonkeyPatch, **extra: object) -> None:
        connect_to(monkeypatch, port=self.port, user=self.user, password=self.password, **extra)


@pytest.fixture(scope="module")
def published() -> Iterator[Path]:
    """Yield a folder with the published files. Even vsftpd's unprivileged process can read the folder."""
    with service_folder("ftp") as folder:
        for feed in ("daily", "weekly", "monthly"):
            (folder / feed).mkdir(mode=0o755)
        file = folder / "daily" / "Cases.exp"
        file.write_bytes(CONTENT)
        file.chmod(0o644)
        os.utime(file, (WRITTEN.timestamp(), WRITTEN.timestamp()))
        yield folder


@pytest.fixture(scope="module", params=["pyftpdlib", "pyftpdlib over TLS", "vsftpd", "vsftpd over TLS"])
def server(
    request: pytest.FixtureRequest, published: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    certificate = make_certificate(folder) if "TLS" in request.param else None
    if "vsftpd" in request.param:
        vsftpd.require()
        with vsftpd.running_vsftpd(folder, published, certificate) as port:
            yield Server(port, "anonymous", "a@example.test", certificate)
    else:
        with running_ftp_server(published, certificate) as running:
            yield Server(running.port, USER, PASSWORD, certificate)


@pytest.fixture
def ftp(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[CountyFtp]:
    """Yield a client for the server, with TLS if the server requires it."""
    server.connect(monkeypatch, **({"tls": True} if server.certificate else {}))
    with closing(CountyFtp(timeout=10)) as hook:
        yield hook


def test_files_are_listed_measured_and_read(ftp: CountyFtp, tmp_path: Path) -> None:
    assert ftp.names("/daily") == ["Cases.exp"]
    assert ftp.facts("/daily/Cases.exp") == (len(CONTENT), WRITTEN)
    with (tmp_path / "local").open("w+b") as local:
        ftp.download("/daily/Cases.exp", local, len(CONTENT))
        local.seek(0)
        assert local.read() == CONTENT
    assert ftp.names("/daily") == ["Cases.exp"], "the connection goes on after a transfer"


def test_a_download_goes_on_in_the_middle(ftp: CountyFtp, tmp_path: Path) -> None:
    with (tmp_path / "local").open("w+b") as local:
        local.write(CONTENT[:300_000])
        ftp.download("/daily/Cases.exp", local, len(CONTENT))
        local.seek(0)
        assert local.read() == CONTENT


def test_an_empty_folder_has_no_files(ftp: CountyFtp) -> None:
    assert ftp.names("/weekly") == []


@pytest.mark.parametrize("server", OVER_TLS, indirect=True)
def test_a_server_that_demands_tls_says_what_is_missing(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.connect(monkeypatch)
    with closing(CountyFtp(timeout=10)) as hook, pytest.raises(LoginRefused, match='set "tls": true in its extra'):
        hook.names("/daily")


@pytest.mark.parametrize("server", PLAIN, indirect=True)
def test_a_server_without_tls_never_gets_the_password(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.connect(monkeypatch, tls=True)
    with closing(CountyFtp(timeout=10)) as hook, pytest.raises(PermanentIngestionError, match="does not support TLS"):
        hook.names("/daily")


@pytest.mark.parametrize("server", OVER_TLS, indirect=True)
def test_a_certificate_is_checked_when_it_is_named(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server.connect(monkeypatch, tls=True, ca_file=str(server.certificate))
    with closing(CountyFtp(timeout=10)) as hook:
        assert hook.names("/daily") == ["Cases.exp"]
    server.connect(monkeypatch, tls=True, ca_file=str(make_certificate(tmp_path, "another")))
    with (
        closing(CountyFtp(timeout=10)) as hook,
        pytest.raises(PermanentIngestionError, match="certificate is not trusted"),
    ):
        hook.names("/daily")


def test_a_broken_transfer_goes_on_over_tls_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    with running_ftp_server(folder, make_certificate(tmp_path)) as running:
        _publish(running)
        running.cut_after, running.stop_after = [100_000], [50_000]
        connect_to(monkeypatch, port=running.port, tls=True)
        with closing(CountyFtp(timeout=10)) as hook, (tmp_path / "local").open("w+b") as local:
            hook.download("/daily/Cases.exp", local, len(CONTENT))
            local.seek(0)
            assert local.read() == CONTENT
        assert len(running.transfers) == 3


def _publish(running: CountyServer) -> None:
    running.put("/daily/Cases.exp", CONTENT, WRITTEN)
