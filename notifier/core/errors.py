"""What a provider's answer means for a delivery, whoever the provider is."""

from __future__ import annotations

import traceback
from collections.abc import Mapping


class UnknownRecipient(ValueError):
    """There is no such subscriber or lead."""


class ProviderError(Exception):
    """A send did not succeed. ``code`` is the provider's own, ``message`` holds no personal data."""

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code


class Refused(ProviderError):
    """Nothing was sent, and a later try may succeed."""


class Throttled(ProviderError):
    """Too fast: nothing was sent, and this was no try. ``retry_after`` is in seconds."""

    def __init__(self, message: str, *, code: str | None = None, retry_after: float = 1.0) -> None:
        super().__init__(message, code=code)
        self.retry_after = retry_after


class PermanentFailure(ProviderError):
    """Nothing was sent, and nothing will be. ``suppress`` says that the recipient asked for silence.

    For a batch, ``positions`` tells which of its messages are at fault (position → reason); empty when the provider
    does not say.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        suppress: bool = False,
        positions: Mapping[int, str] | None = None,
    ) -> None:
        super().__init__(message, code=code)
        self.suppress = suppress
        self.positions = dict(positions or {})


class ProviderUnavailable(ProviderError):
    """Nobody's message would be taken: wrong key, account suspended, sender not registered."""


class OutcomeUnknown(ProviderError):
    """The request went out and no answer came back: nobody knows whether it was sent."""


class OutcomeNotRecorded(Exception):
    """A request may have left and its outcome could not be written: the delivery stays ``sending``."""


def where(error: BaseException) -> str:
    """Type and place of an exception, without its words: they may hold personal data."""
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    return f"{type(error).__name__} at " + " < ".join(f"{f.name}:{f.lineno}" for f in reversed(frames))
