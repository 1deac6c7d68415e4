"""The actor that asks the county about one parcel, on the queue ``api-property-lookup``."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, cast

import dramatiq

from notifier.core.errors import UnknownRecipient
from notifier.core.queues import LOOKUPS
from notifier.lookups import client, worker
from notifier.lookups.client import ACTOR, LookupFailed, RequestedLookup

#: No caller waits longer for an answer (ms), so an older message is dropped.
MAX_AGE_MS = 30_000


class LookupActor(dramatiq.Actor[Any, None]):
    """An actor that looks up a property.

    ``send`` does not return a Dramatiq message: it writes the request to the database, wakes a worker if the request is
    new, and returns the RequestedLookup. It succeeds while Redis is away. A property whose facts are recent is
    not requested again: the result then contains the answer. It raises what
    ``notifier.lookups.client.request_lookup`` raises.
    """

    def send(self, *args: Any, **kwargs: Any) -> RequestedLookup:  # type: ignore[override]  # see the class
        """Request a lookup; takes the actor's arguments."""
        given = inspect.signature(self.fn).bind(*args, **kwargs).arguments
        requested = client.request_lookup(given["folio_number"], given["subscriber_id"])
        if requested.lookup_id is not None and requested.is_new:
            client.wake(requested.folio, given["subscriber_id"], requested.lookup_id)
        return requested


def _lookup_actor(fn: Callable[..., None]) -> LookupActor:
    """Declare a function as a LookupActor; ``dramatiq.actor`` alone loses the class in its type."""
    declare = dramatiq.actor(
        actor_class=LookupActor,
        actor_name=ACTOR,
        queue_name=LOOKUPS.queue_name,
        priority=1,
        max_retries=len(client.RETRY_DELAYS),
        # For failures that are not the county's, such as a database that restarts; the county's have their own delays.
        min_backoff=2_000,
        max_backoff=8_000,
        max_age=MAX_AGE_MS,
        throws=(LookupFailed, client.MalformedFolio, UnknownRecipient),
    )
    return cast(LookupActor, declare(fn))


@_lookup_actor
def property_lookup(folio_number: str, subscriber_id: int | None, lookup_id: int | None = None) -> None:
    """Ask the county's API and store the answer; costs the setting ``LOOKUP_TOKENS``.

    ``lookup_id`` names the request in the database; without it one is written first.
    """
    worker.answer(folio_number, subscriber_id, lookup_id)
