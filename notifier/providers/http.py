"""HTTP for all providers: pooled sessions, a timeout for every wait, and no automatic retries.

A request raises Refused if it fails before its first byte is sent, because the host name does not resolve or the
connection or TLS handshake fails. If no answer comes back after the first byte is sent, the
request raises OutcomeUnknown.
"""

from __future__ import annotations

import io
import math
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPResponse
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.exceptions import InvalidHeader, InvalidJSONError, InvalidSchema, InvalidURL, MissingSchema
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from notifier.core.errors import (
    OutcomeUnknown,
    PermanentFailure,
    ProviderError,
    ProviderUnavailable,
    Refused,
    Throttled,
    TooLate,
)

CONNECT_TIMEOUT = 3.0
#: A connection that was idle for longer than this (s) is not used again, because a firewall may have silently dropped
#: it.
MAX_IDLE_SECONDS = 10.0
#: The longest wait (s) that a provider may ask for.
MAX_WAIT_SECONDS = 3600.0
#: The socket options: urllib3's defaults, and keepalive probes on an idle connection. Not every operating system lets
#: us choose when probes are sent.
SOCKET_OPTIONS = [
    *HTTPConnection.default_socket_options,
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
        if hasattr(socket, name)
    ),
]

_send_before: ContextVar[float] = ContextVar("_send_before", default=math.inf)


class _TimelyReader(io.RawIOBase):
    """Reads a whole answer from a socket within the socket's timeout. A slow sender cannot extend the timeout."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        self._raw, self._sock = raw, sock
        self._end = time.monotonic() + (sock.gettimeout() or math.inf)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._end < math.inf:
            self._sock.settimeout(max(self._end - time.monotonic(), 0.001))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _TimelyResponse(HTTPResponse):
    """An answer that must be complete within the connection's timeout."""

    def __init__(self, sock: socket.socket, *arguments: Any, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        self.fp = io.BufferedReader(_TimelyReader(self.fp.detach(), sock))


class _CarefulConnection(HTTPConnection):
    """A connection that raises Refused for any error before a request is sent.

    A pool does not reuse the connection after a long pause.
    """

    response_class = _TimelyResponse

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **{**options, "socket_options": SOCKET_OPTIONS})
        self._used_at = time.monotonic()

    @property
    def is_connected(self) -> bool:
        """Return whether a pool may use the connection again."""
        return super().is_connected and time.monotonic() - self._used_at < MAX_IDLE_SECONDS

    def connect(self) -> None:
        """Connect, including the TLS handshake. Raises Refused."""
        try:
            super().connect()
        except Exception as error:
            raise Refused(f"no connection to the provider ({type(error).__name__})", code="connect") from None

    def send(self, data: Any) -> None:
        """Send part of a request.

        Raises TooLate after the time limit. Stopping in the middle of a request is safe, because no provider acts on an
        incomplete request.
        """
        if self.sock is None:
            self.connect()
        if time.monotonic() > _send_before.get():
            raise TooLate("the request was not sent in time", code="late")
        super().send(data)

    def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override]  # as urllib3's own
        """Return the answer."""
        answer = super().getresponse()
        self._used_at = time.monotonic()
        return answer


class _CarefulSecureConnection(_CarefulConnection, HTTPSConnection):
    """A ``_CarefulConnection`` with TLS."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _CarefulConnection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _CarefulSecureConnection


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        use_careful_connections(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **options)
        return use_careful_connections(manager) if isinstance(manager, urllib3.ProxyManager) else manager


def use_careful_connections(manager: urllib3.PoolManager) -> urllib3.PoolManager:
    """Make a pool manager's connections raise Refused for any error before a request is sent. Returns the manager."""
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
    return manager


def pooled_session(connections: int) -> requests.Session:
    """Return a session that keeps up to ``connections`` connections open for its threads."""
    session = requests.Session()
    adapter = _Adapter(pool_connections=2, pool_maxsize=connections, max_retries=0)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


@contextmanager
def sending_within(seconds: float) -> Iterator[None]:
    """Allow the block to send requests only within the next ``seconds`` seconds.

    A later request is not sent and raises TooLate.
    """
    token = _send_before.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _send_before.reset(token)


def exchange(session: requests.Session, method: str, url: str, **options: Any) -> requests.Response:
    """Send one request and return its answer, whatever the status. Redirects are not followed.

    Raises Refused, ProviderUnavailable or PermanentFailure if nothing was sent, and OutcomeUnknown if no answer came
    back.
    """
    try:
        return session.request(method, url, allow_redirects=False, **options)
    except (InvalidSchema, InvalidURL, MissingSchema) as error:
        raise Refused(f"the provider's address is malformed ({type(error).__name__})", code="address") from None
    except (InvalidHeader, UnicodeError) as error:
        message = (
            f"a header cannot be written ({type(error).__name__}); look for blanks or quotes in the provider's key"
        )
        raise ProviderUnavailable(message, code="header") from None
    except InvalidJSONError:
        raise PermanentFailure("the request contains a number that JSON does not have", code="not_json") from None
    except requests.RequestException as error:
        raise OutcomeUnknown(f"no answer came back ({type(error).__name__})", code="no_answer") from None


def refusal(status: int, message: str, code: str | None, retry_after: str | None) -> ProviderError | None:
    """Return the error for an HTTP status, or None for a 4xx status that only the provider's code can explain."""
    if status == 429:
        return throttled(message, code, retry_after)
    if status == 503:
        return Refused(message, code=code)
    if status in (401, 403):
        return ProviderUnavailable(message, code=code)
    if status >= 500:
        return OutcomeUnknown(message, code=code)
    return None


def throttled(message: str, code: str | None, retry_after: str | None) -> Throttled:
    """Return the error for a request that was refused because requests were sent too fast.

    ``retry_after`` is the value of the header Retry-After: a number of seconds or a date.
    """
    return Throttled(message, code=code, retry_after=_seconds(retry_after))


def _seconds(retry_after: str | None) -> float:
    try:
        seconds = float(retry_after or 1)
    except ValueError:
        seconds = _seconds_until(str(retry_after))
    return min(max(seconds, 0.1), MAX_WAIT_SECONDS) if seconds == seconds else 1.0


def _seconds_until(date: str) -> float:
    try:
        moment = parsedate_to_datetime(date)
    except (ValueError, OverflowError):
        return 1.0
    return (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
