"""HTTP as every provider needs it: one pooled session a process, every wait with an end, no repetition by itself."""

from __future__ import annotations

import requests
from requests.adapters import HTTPAdapter

from notifier.core.errors import OutcomeUnknown, ProviderError, ProviderUnavailable, Refused, Throttled

CONNECT_TIMEOUT = 3.0


def pooled(session: requests.Session, connections: int) -> requests.Session:
    """Lets as many threads as ``connections`` send over ``session`` without opening a connection each time."""
    adapter = HTTPAdapter(pool_connections=2, pool_maxsize=connections, max_retries=0)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


def lost(error: requests.RequestException) -> ProviderError:
    """What a broken exchange means: without a connection nothing was sent, after it nobody knows."""
    if isinstance(error, requests.ConnectTimeout) or "NewConnectionError" in repr(error):
        return Refused("the provider does not accept connections", code="connect")
    return OutcomeUnknown(f"no answer came back ({type(error).__name__})", code="no_answer")


def refusal(status: int, message: str, code: str | None, retry_after: str | None) -> ProviderError | None:
    """The class of an answer that is no success, as far as its status tells; None for the other 4xx."""
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
    """Too fast; ``retry_after`` is the header, in seconds."""
    return Throttled(message, code=code, retry_after=_seconds(retry_after))


def _seconds(retry_after: str | None) -> float:
    try:
        return min(max(float(retry_after or 1), 0.1), 3600)
    except ValueError:
        return 1.0
