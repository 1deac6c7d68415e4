"""HTTP for all providers: one pooled session in a process, a timeout on every wait, and no automatic retries."""

from __future__ import annotations

import requests
from requests.adapters import HTTPAdapter

from notifier.core.errors import OutcomeUnknown, ProviderError, ProviderUnavailable, Refused, Throttled

CONNECT_TIMEOUT = 3.0


def pooled_session(connections: int) -> requests.Session:
    """Return a session that keeps as many as ``connections`` connections open for its threads."""
    session = requests.Session()
    adapter = HTTPAdapter(pool_connections=2, pool_maxsize=connections, max_retries=0)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


def broken_exchange(error: requests.RequestException) -> ProviderError:
    """Return what a broken exchange means: nothing was sent without a connection; after it the outcome is unknown."""
    if isinstance(error, requests.ConnectTimeout) or "NewConnectionError" in repr(error):
        return Refused("the provider does not accept connections", code="connect")
    return OutcomeUnknown(f"no answer came back ({type(error).__name__})", code="no_answer")


def refusal(status: int, message: str, code: str | None, retry_after: str | None) -> ProviderError | None:
    """Return what an unsuccessful answer's status means; None for a 4xx that only the provider's code can explain."""
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
    """Return the error for requests that came too fast; ``retry_after`` is the header's value, in seconds."""
    return Throttled(message, code=code, retry_after=_seconds(retry_after))


def _seconds(retry_after: str | None) -> float:
    try:
        return min(max(float(retry_after or 1), 0.1), 3600)
    except ValueError:
        return 1.0
