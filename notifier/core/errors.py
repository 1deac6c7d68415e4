"""What a provider's answer means for a delivery, whichever provider gave it."""

from __future__ import annotations

from collections.abc import Mapping


class UnknownRecipient(ValueError):
    """The subscriber or the lead does not exist."""


class ProviderError(Exception):
    """A request to a provider failed.

    ``code`` is the provider's own code. The message holds no personal data.
    """

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code


class Refused(ProviderError):
    """Nothing was sent. A later attempt may succeed."""


class Throttled(ProviderError):
    """Nothing was sent because requests came too fast; this does not count as an attempt.

    ``retry_after`` is in seconds.
    """

    def __init__(self, message: str, *, code: str | None = None, retry_after: float = 1.0) -> None:
        super().__init__(message, code=code)
        self.retry_after = retry_after


class PermanentFailure(ProviderError):
    """Nothing was sent, and no later attempt can succeed.

    ``suppress`` is true when the recipient has opted out. ``positions`` maps the positions at fault in a batch to their
    reasons; it is empty when the provider names none.
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
    """The provider refuses every request: wrong key, account suspended, or sender not registered."""


class OutcomeUnknown(ProviderError):
    """The request went out and no answer came back, so it may or may not have been sent."""


class OutcomeNotRecorded(Exception):
    """A request may have gone out and its outcome could not be written. The delivery stays ``sending``."""
