"""Errors that say what a provider's answer means for a delivery."""

from __future__ import annotations

from collections.abc import Mapping


class UnknownRecipient(ValueError):
    """The subscriber or the lead does not exist."""


class ProviderError(Exception):
    """A request to a provider failed.

    ``code`` is the provider's own error code. The error's text contains no personal data.
    """

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code


class Refused(ProviderError):
    """Nothing was sent, but a later attempt may succeed."""


class TooLate(Refused):
    """Nothing was sent, because the process was delayed and another process may have taken the claim."""


class Throttled(ProviderError):
    """Nothing was sent, because requests were made too fast.

    The queue waits, and the request does not count as an attempt. ``retry_after`` is in seconds.
    """

    def __init__(self, message: str, *, code: str | None = None, retry_after: float = 1.0) -> None:
        super().__init__(message, code=code)
        self.retry_after = retry_after


class PermanentFailure(ProviderError):
    """Nothing was sent, and no later attempt can succeed.

    ``suppress`` is true when the recipient has opted out. ``positions`` maps each rejected position in a batch to the
    reason for the rejection, and is empty if the provider names no position.
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
    """The provider refuses every request because of a wrong key, a suspended account or an unregistered sender."""


class KindUnavailable(ProviderError):
    """The provider refuses every request of one kind because the kind's template or sender is missing."""


class OutcomeUnknown(ProviderError):
    """The request went out, but no answer came back. The provider may or may not have carried out the request."""


class OutcomeNotRecorded(Exception):
    """A request may have gone out, but its outcome could not be stored. The delivery stays ``sending``."""
