"""The one place where a request to a provider is made for claimed deliveries and its outcome recorded.

It lies below the channels and voice, so that all of them use it, and knows no provider: the request is a function.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from leads.settings import MissingSetting
from notifier.core.errors import OutcomeUnknown, PermanentFailure, ProviderError
from notifier.core.queues import Queue
from notifier.core.states import State
from notifier.deliveries import lifecycle
from notifier.deliveries.lifecycle import Claim, SentRecord


def dispatch(
    claim: Claim,
    queue: Queue,
    sent: Sequence[SentRecord],
    request: Callable[[], str],
    on_permanent_failure: Callable[[PermanentFailure], None] | None = None,
) -> None:
    """Make one provider request for the claimed deliveries in ``sent`` and record its outcome.

    ``request`` returns the provider's id or raises a ProviderError. ``on_permanent_failure`` replaces the default
    handling of a PermanentFailure, which fails every delivery. Raises MissingSetting, after which nothing was sent and
    nothing is recorded, and OutcomeNotRecorded.
    """
    ids = [one.delivery_id for one in sent]
    try:
        provider_id = request()
    except PermanentFailure as error:
        if on_permanent_failure is None:
            end_rejected(claim, queue, ids, error)
        else:
            on_permanent_failure(error)
    except OutcomeUnknown as error:
        lifecycle.mark_unknown(claim, sent, error)
    except ProviderError as error:
        lifecycle.requeue(claim, ids, queue, error)
    except MissingSetting:
        raise
    except Exception as error:
        # The request may have gone out before our own code failed.
        lifecycle.mark_unknown(claim, sent, OutcomeUnknown(type(error).__name__, code="our_error"))
    else:
        lifecycle.accept(claim, queue, sent, provider_id)


def end_rejected(
    claim: Claim, queue: Queue, ids: Sequence[int], error: PermanentFailure, state: State = State.FAILED
) -> None:
    """End deliveries that the provider rejected for good with ``state`` and the provider's code."""
    lifecycle.end(claim, ids, state, error.code or "refused", str(error), rejected_by=queue)
