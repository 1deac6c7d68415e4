"""Access to the county's FTP server, with or without TLS."""

from __future__ import annotations

import ftplib
import ssl
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, BinaryIO, TypeVar

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowException

from county.errors import (
    STORAGE_FULL_ERRNOS,
    IncompleteFile,
    IngestionError,
    LoginRefused,
    PermanentIngestionError,
    ServerUnreachable,
)
from leads.logs import get_logger

log = get_logger(__name__)

MIAMI_DADE_FTP = "miami_dade_ftp"

_T = TypeVar("_T")

#: The errors of a broken connection: the server closed it, or its reply is not valid FTP.
_BROKEN = (OSError, EOFError, ftplib.error_reply, ftplib.error_proto)


class CountyFtp:
    """The ``FileServer`` for Airflow's connection ``miami_dade_ftp``; connects on first use.

    Airflow's own FTP hook has no timeouts, cannot resume a download, and does not notice an incomplete download. The
    connection's extra may contain ``tls`` (FTPS: login and files encrypted), ``passive`` and ``encoding``. It may also
    contain ``ca_file`` (the certificate of the authority that signed the server's certificate) or ``verify`` (whether
    to check the server's certificate against the system's authorities). ``timeout`` is the maximum number of seconds to
    wait for a connection, for each reply and for each block of data. ``resumptions`` is the maximum number of times
    that one download resumes after a lost connection. Raises errors from ``county.errors``.
    """

    def __init__(self, conn_id: str = MIAMI_DADE_FTP, timeout: float = 60, resumptions: int = 5) -> None:
        self.conn_id = conn_id
        self.timeout = timeout
        self.resumptions = resumptions
        self._conn: ftplib.FTP | None = None

    def _connected(self) -> ftplib.FTP:
        if self._conn is None:
            try:
                params = BaseHook.get_connection(self.conn_id)
            except AirflowException as missing:
                raise PermanentIngestionError(
                    f"Airflow's connection {self.conn_id} is not defined: define it ({missing})"
                ) from None
            self._conn = self._connect(params)
        return self._conn

    def _connect(self, params: Any) -> ftplib.FTP:
        extra = params.extra_dejson
        conn = _client(extra, self.timeout)
        try:
            conn.connect(params.host or "", params.port or ftplib.FTP_PORT)
            if isinstance(conn, _FtpTls):
                _secure(conn)
            conn.login(params.login or "", params.password or "")
            if isinstance(conn, _FtpTls):
                conn.prot_p()
            conn.set_pasv(_says(extra, "passive", default=True))
        except ssl.SSLCertVerificationError as error:
            conn.close()
            raise PermanentIngestionError(
                f"the FTP server's certificate is not trusted: {error.verify_message}. Put the county's certificate "
                f"into a file and name it as ca_file in the extra of the connection {self.conn_id}."
            ) from error
        except ftplib.error_perm as error:
            conn.close()
            raise LoginRefused(
                f"the FTP server refuses the login: {error}. Correct user and password of the connection "
                f'{self.conn_id}; if the server asks for TLS, set "tls": true in its extra.'
            ) from error
        except (*_BROKEN, ftplib.error_temp) as error:
            conn.close()
            raise ServerUnreachable(
                f"the county's FTP server does not answer: {error}. Check the connection {self.conn_id} and the "
                "server; nothing was changed; the next try continues."
            ) from error
        return conn

    def names(self, folder: str) -> list[str]:
        """Return the file names in ``folder``, without the folder."""
        try:
            paths = self._ask(lambda conn: conn.nlst(folder))
        except (ftplib.error_perm, ftplib.error_temp) as error:
            if str(error)[:3] in ("550", "450"):  # some servers reply with an error for an empty folder
                return []
            raise IngestionError(
                f"the FTP server refuses to list {folder}: {error}; the next try asks again"
            ) from error
        return [path.rsplit("/", 1)[-1] for path in paths]

    def facts(self, path: str) -> tuple[int, datetime]:
        """Return the size (bytes) and modification time (UTC) of a file."""
        try:
            self._ask(lambda conn: conn.voidcmd("TYPE I"))  # an earlier listing may have set text mode
            size = self._ask(lambda conn: conn.size(path))
            modified = self._ask(lambda conn: conn.voidcmd(f"MDTM {path}"))
        except (ftplib.error_perm, ftplib.error_temp) as error:
            raise IngestionError(f"the FTP server does not report size and time of {path}: {error}") from error
        stamp = modified.partition(" ")[2].strip()[:14]
        return size or 0, datetime.strptime(stamp, "%Y%m%d%H%M%S").replace(tzinfo=UTC)

    def download(self, path: str, target: BinaryIO, size: int) -> None:
        """Write the file to ``target``; after a lost connection, resume where the download stopped."""
        for attempt in range(self.resumptions + 1):
            try:
                self._receive(path, target)
            except ftplib.error_perm as error:
                raise IngestionError(
                    f"the FTP server does not send {path}: {error}; the next try asks again"
                ) from error
            except (*_BROKEN, ftplib.error_temp) as error:
                if isinstance(error, OSError) and error.errno in STORAGE_FULL_ERRNOS:
                    raise  # this machine's disk is full; the connection is not the cause
                self._forget()
                if attempt == self.resumptions:
                    raise ServerUnreachable(
                        f"{path}: the connection broke {attempt + 1} times, {target.tell()} bytes arrived ({error}). "
                        "Nothing was archived; the next try starts again."
                    ) from error
                log.warning("download_resumed", path=path, received=target.tell(), reason=str(error))
            else:
                if target.tell() >= size:
                    return
                log.warning("download_resumed", path=path, received=target.tell(), size=size, reason="incomplete")
        raise IncompleteFile(
            f"{path}: {target.tell()} of {size} bytes arrived although the server reported success. Nothing was "
            "archived; the next try reads it again."
        )

    def _receive(self, path: str, target: BinaryIO) -> None:
        conn = self._connected()
        conn.retrbinary(f"RETR {path}", target.write, blocksize=1 << 16, rest=target.tell() or None)

    def _ask(self, question: Callable[[Any], _T]) -> _T:
        """Run ``question`` on the connection; if the connection is dead (e.g. reply 421), reconnect once."""
        for last in (False, True):
            conn = self._connected()
            try:
                return question(conn)
            except (*_BROKEN, ftplib.error_temp) as error:
                if isinstance(error, ftplib.error_temp) and not str(error).startswith("421"):
                    raise
                self._forget()
                if last:
                    raise ServerUnreachable(
                        f"the county's FTP server closed the connection: {error}. Check the server; nothing was "
                        "changed; the next try continues."
                    ) from error
        raise AssertionError("unreachable")

    def _forget(self) -> None:
        if self._conn is not None:
            self._conn.close()
            self._conn = None

    def close(self) -> None:
        """Close the connection; send QUIT first if the server still answers."""
        if self._conn is not None:
            try:
                self._conn.quit()
            except (*_BROKEN, ftplib.Error):
                self._conn.close()
            self._conn = None


class _FtpTls(ftplib.FTP_TLS):
    """An FTPS client whose data connections reuse the control connection's TLS session, as strict servers require."""

    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[Any, int | None]:
        sock, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        assert isinstance(self.sock, ssl.SSLSocket)
        return self.context.wrap_socket(sock, server_hostname=self.host, session=self.sock.session), size


class _Socket(ssl.SSLSocket):
    def unwrap(self) -> _Socket:
        """Skip TLS's closing handshake: many servers omit it, and the file's size shows whether all bytes arrived."""
        return self


def _client(extra: Mapping[str, Any], timeout: float) -> ftplib.FTP:
    encoding = extra.get("encoding", "utf-8")
    if not _says(extra, "tls", default=False):
        return ftplib.FTP(timeout=timeout, encoding=encoding)
    context = ssl.create_default_context(cafile=extra.get("ca_file"))
    context.sslsocket_class = _Socket
    if not extra.get("ca_file") and not _says(extra, "verify", default=False):
        log.warning("ftp_certificate_not_checked", remedy="set ca_file in the extra of the connection miami_dade_ftp")
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return _FtpTls(timeout=timeout, encoding=encoding, context=context)


def _secure(conn: _FtpTls) -> None:
    try:
        conn.auth()
    except ftplib.error_perm as error:
        raise PermanentIngestionError(
            f'the FTP server does not support TLS: {error}. Remove "tls" from the connection\'s extra if the county '
            "really offers plain FTP only; nothing was changed."
        ) from error


def _says(extra: Mapping[str, Any], name: str, *, default: bool) -> bool:
    return str(extra.get(name, default)).lower() in ("true", "1", "yes")
