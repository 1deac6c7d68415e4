"""The actor that looks up a parcel through the county's API. Its queue is ``api-property-lookup``."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, cast

import dramatiq

from notifier.core.errors import UnknownRecipient
from notifier.core.queues import LOOKUPS
from notifier.lookups import client, worker
from notifier.lookups.client import ACTOR, LookupFailed, RequestedLookup


class LookupActor(dramatiq.Actor[Any, None]):
    """An actor that looks up a property.

    ``send`` does not return a Dramatiq message. ``send`` writes the request to the database, wakes a worker if the
    request is new, and returns a ``RequestedLookup``. ``send`` succeeds even while Redis is down. If the stored
    property is recent, the result contains the answer and no request is written. ``send`` raises the same errors as
    ``notifier.lookups.client.request_lookup``.
    """

    def send(self, *args: Any, **kwargs: Any) -> RequestedLookup:  # type: ignore[override]  # see the class
        """Request a lookup. Takes the actor's arguments."""
        given = inspect.signature(self.fn).bind(*args, **kwargs).arguments
        requested = client.request_lookup(given["folio_number"], given["subscriber_id"])
        if requested.lookup_id is not None and requested.is_new:
            client.wake(requested.folio, given["subscriber_id"], requested.lookup_id)
        return requested


def _lookup_actor(fn: Callable[..., None]) -> LookupActor:
    """Declare a function as a ``LookupActor``.

    The type annotations of ``dramatiq.actor`` do not mention ``LookupActor``, so this function casts the actor to that
    class.
    """
    declare = dramatiq.actor(
        actor_class=LookupActor,
        actor_name=ACTOR,
        queue_name=LOOKUPS.queue_name,
        priority=1,
        max_retries=len(client.RETRY_DELAYS),
        # These delays apply to failures on our side, such as a database restart. Different retry delays apply after a
        # failure of the county's API.
        min_backoff=2_000,
        max_backoff=8_000,
        throws=(LookupFailed, client.MalformedFolio, UnknownRecipient),
    )
    return cast(LookupActor, declare(fn))


@_lookup_actor
def property_lookup(folio_number: str, subscriber_id: int | None, lookup_id: int | None = None) -> None:
    """Ask the county's API about a parcel, and store the answer. A lookup costs ``LOOKUP_TOKENS`` tokens.

    ``lookup_id`` identifies the request in the database. If ``lookup_id`` is None, the actor writes a request first.
    """
    worker.answer(folio_number, subscriber_id, lookup_id)
