"""HTTP for all providers: pooled sessions, a timeout for every wait, and no automatic retries."""

from __future__ import annotations

import requests
from requests.adapters import HTTPAdapter

from notifier.core.errors import OutcomeUnknown, ProviderError, ProviderUnavailable, Refused, Throttled

CONNECT_TIMEOUT = 3.0


def pooled_session(connections: int) -> requests.Session:
    """Return a session that keeps up to ``connections`` connections open for its threads."""
    session = requests.Session()
    adapter = HTTPAdapter(pool_connections=2, pool_maxsize=connections, max_retries=0)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


def broken_exchange(error: requests.RequestException) -> ProviderError:
    """Return Refused when no connection was made; otherwise OutcomeUnknown, because the request may have gone out."""
    if isinstance(error, requests.ConnectTimeout) or "NewConnectionError" in repr(error):
        return Refused("the provider does not accept connections", code="connect")
    return OutcomeUnknown(f"no answer came back ({type(error).__name__})", code="no_answer")


def refusal(status: int, message: str, code: str | None, retry_after: str | None) -> ProviderError | None:
    """Return the error for an HTTP status; None for a 4xx status that only the provider's code can explain."""
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
    """Return the error for requests that came too fast; ``retry_after`` is the value of the header, in seconds."""
    return Throttled(message, code=code, retry_after=_seconds(retry_after))


def _seconds(retry_after: str | None) -> float:
    try:
        return min(max(float(retry_after or 1), 0.1), 3600)
    except ValueError:
        return 1.0
