"""Makes a request to a provider for claimed deliveries, and records the request's outcome.

The packages ``channels`` and ``voice`` call this module with a function that makes the request.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from leads.settings import MissingSetting
from notifier.core.errors import OutcomeNotRecorded, OutcomeUnknown, PermanentFailure, ProviderError, TooLate
from notifier.core.queues import Queue
from notifier.core.states import State
from notifier.deliveries import lifecycle
from notifier.deliveries.lifecycle import Claim, SentRecord
from notifier.providers.http import sending_within

#: The maximum time (s) between checking a claim and sending its request. Opening a connection takes less time.
SEND_SECONDS = 30.0


def dispatch(
    claim: Claim,
    queue: Queue,
    sent: Sequence[SentRecord],
    request: Callable[[], str],
    on_permanent_failure: Callable[[PermanentFailure], None] | None = None,
) -> None:
    """Make one provider request for the deliveries in ``sent``, if they are still claimed, and record the outcome.

    ``request`` returns the provider's id or raises a ProviderError. By default, a PermanentFailure fails every delivery
    in ``sent``. If ``on_permanent_failure`` is given, it is called instead. Raises OutcomeNotRecorded. Raises
    MissingSetting before anything is sent or recorded.
    """
    ids = [one.delivery_id for one in sent]
    try:
        # Start the timer before the claim is checked, because the process may be frozen at any point.
        with sending_within(SEND_SECONDS):
            if not lifecycle.keep(claim, ids):
                return
            provider_id = request()
    except (OutcomeNotRecorded, MissingSetting):
        raise
    except TooLate:
        lifecycle.release(claim, ids)
    except PermanentFailure as error:
        if on_permanent_failure is None:
            end_rejected(claim, queue, ids, error)
        else:
            on_permanent_failure(error)
    except OutcomeUnknown as error:
        lifecycle.mark_unknown(claim, sent, error)
    except ProviderError as error:
        lifecycle.requeue(claim, ids, queue, error)
    except Exception as error:
        # The request may have gone out before our own code failed.
        lifecycle.mark_unknown(claim, sent, OutcomeUnknown(type(error).__name__, code="our_error"))
    else:
        lifecycle.accept(claim, queue, sent, provider_id)


def end_rejected(
    claim: Claim, queue: Queue, ids: Sequence[int], error: PermanentFailure, state: State = State.FAILED
) -> None:
    """Finish deliveries that the provider rejected for good. Records ``state`` and the provider's code."""
    lifecycle.end(claim, ids, state, error.code or "refused", str(error), rejected_by=queue)
