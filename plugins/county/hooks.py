"""The only part that knows Airflow's connections: the leads database and the county's FTP server."""

from __future__ import annotations

import ftplib
import logging
import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, BinaryIO, TypeVar

import psycopg
from airflow.providers.ftp.hooks.ftp import FTPHook
from airflow.providers.postgres.hooks.postgres import PostgresHook
from airflow.sdk.exceptions import AirflowException

from county.errors import GiveUp, IngestionError, LoginRefused, ServerUnreachable

log = logging.getLogger(__name__)

LEADS_DB = "leads_db"
MIAMI_DADE_FTP = "miami_dade_ftp"

_T = TypeVar("_T")


def leads_connection() -> psycopg.Connection:
    """A connection to the leads database: Airflow's connection ``leads_db``, else ``DATABASE_URL``; autocommit.

    Raises IngestionError when the server does not answer.
    """
    try:
        try:
            connection = PostgresHook(postgres_conn_id=LEADS_DB, log_sql=False).get_conn()
        except AirflowException as missing:
            url = os.environ.get("DATABASE_URL")
            if not url:
                raise GiveUp(
                    f"neither Airflow's connection {LEADS_DB} nor DATABASE_URL is set: define one of them ({missing})"
                ) from missing
            connection = psycopg.connect(url)
    except psycopg.OperationalError as error:
        raise IngestionError(
            f"the leads database does not answer: {str(error).strip()}. Nothing was changed; start the server or "
            f"correct the connection {LEADS_DB}, the next try goes on."
        ) from error
    assert isinstance(connection, psycopg.Connection)
    connection.autocommit = True
    # A step sorts and hashes whole days; the default of 4 MB would spill them to disk.
    connection.execute(
        "SELECT set_config('application_name', 'ingestion', false), set_config('work_mem', '64MB', false)"
    )
    return connection


class CountyFtp(FTPHook):
    """The county's server, as ``county.fetch.FileServer``: every wait has an end, every size is of the binary file.

    ``timeout`` (s) bounds connecting, each answer and each block of data. Errors are those of ``county.errors``.
    """

    conn: ftplib.FTP | None

    def __init__(self, ftp_conn_id: str = MIAMI_DADE_FTP, timeout: float = 60, resumptions: int = 5) -> None:
        super().__init__(ftp_conn_id)
        self.timeout = timeout
        self.resumptions = resumptions

    def get_conn(self) -> ftplib.FTP:
        if self.conn is None:
            params = self.get_connection(self.ftp_conn_id)
            tls = str(params.extra_dejson.get("tls", "")).lower() in ("true", "1", "yes")
            encoding = params.extra_dejson.get("encoding", "utf-8")
            conn = (ftplib.FTP_TLS if tls else ftplib.FTP)(timeout=self.timeout, encoding=encoding)
            conn.connect(params.host or "", params.port or ftplib.FTP_PORT)
            conn.login(params.login or "", params.password or "")
            if isinstance(conn, ftplib.FTP_TLS):
                conn.prot_p()
            conn.set_pasv(str(params.extra_dejson.get("passive", "true")).lower() != "false")
            self.conn = conn
        return self.conn

    def names(self, folder: str) -> list[str]:
        try:
            paths = self._ask(lambda conn: conn.nlst(folder))
        except (ftplib.error_perm, ftplib.error_temp) as error:
            if str(error)[:3] in ("550", "450"):  # how servers say that a folder is empty
                return []
            raise IngestionError(f"the FTP server refuses to list {folder}: {error}") from error
        return [path.rsplit("/", 1)[-1] for path in paths]

    def facts(self, path: str) -> tuple[int, datetime]:
        try:
            self._ask(lambda conn: conn.voidcmd("TYPE I"))  # a listing before has changed it to text
            size = self._ask(lambda conn: conn.size(path))
            modified = self._ask(lambda conn: conn.voidcmd(f"MDTM {path}"))
        except ftplib.error_perm as error:
            raise IngestionError(f"the FTP server does not tell size and time of {path}: {error}") from error
        stamp = modified.partition(" ")[2].strip()[:14]
        return size or 0, datetime.strptime(stamp, "%Y%m%d%H%M%S").replace(tzinfo=UTC)

    def download(self, path: str, target: BinaryIO) -> None:
        for attempt in range(self.resumptions + 1):
            try:
                conn = self.get_conn()
                conn.retrbinary(f"RETR {path}", target.write, blocksize=1 << 16, rest=target.tell() or None)
                return
            except ftplib.error_perm as error:
                raise _refusal(error, f"the FTP server does not give {path}") from error
            except (OSError, EOFError, ftplib.error_temp, ftplib.error_reply, ftplib.error_proto) as error:
                self._forget()
                if attempt == self.resumptions:
                    raise ServerUnreachable(
                        f"{path}: the connection broke {attempt + 1} times, {target.tell()} bytes arrived ({error}). "
                        "Nothing was archived; the next try starts anew."
                    ) from error
                log.warning("%s: connection lost after %s bytes (%s), resuming", path, target.tell(), error)

    def _ask(self, question: Callable[[Any], _T]) -> _T:
        """Asks once more over a new connection when the old one turns out to be dead."""
        for last in (False, True):
            try:
                return question(self.get_conn())
            except ftplib.error_perm as error:
                if str(error).startswith("530"):
                    raise _refusal(error, "the FTP server refuses the login") from error
                raise
            except (OSError, EOFError) as error:
                self._forget()
                if last:
                    raise ServerUnreachable(
                        f"the county's FTP server does not answer: {error}. Check the connection {self.ftp_conn_id} "
                        "and the server; nothing was changed, the next try goes on."
                    ) from error
        raise AssertionError("unreachable")

    def _forget(self) -> None:
        if self.conn is not None:
            self.conn.close()
            self.conn = None

    def close(self) -> None:
        """Says goodbye, if anyone still listens."""
        if self.conn is not None:
            try:
                self.conn.quit()
            except (OSError, EOFError, ftplib.Error):
                self.conn.close()
            self.conn = None


def _refusal(error: ftplib.error_perm, what: str) -> IngestionError:
    if str(error).startswith("530"):
        return LoginRefused(f"{what}: {error}. Correct user and password of the connection {MIAMI_DADE_FTP}.")
    return IngestionError(f"{what}: {error}")
