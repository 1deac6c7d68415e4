"""Asking the county about one parcel."""

from __future__ import annotations

import inspect
from typing import Any

import dramatiq

from notifier.core.errors import UnknownRecipient
from notifier.core.queues import LOOKUPS
from notifier.lookups import client, worker
from notifier.lookups.client import ACTOR, LookupFailed, RequestedLookup

#: Nobody waits longer (ms), so an older message is dropped.
MAX_AGE_MS = 30_000


class LookupActor(dramatiq.Actor[Any, Any]):
    """Sending it writes the question first and then rings the lane; it succeeds with Redis down.

    Raises what ``notifier.lookups.ask`` raises. A property that is known well enough is not asked for.
    """

    def send(self, *args: Any, **kwargs: Any) -> RequestedLookup:  # type: ignore[override]
        given = inspect.signature(self.fn).bind(*args, **kwargs).arguments
        asked = client.request_lookup(given["folio_number"], given["subscriber_id"])
        if asked.lookup_id is not None and asked.is_new:
            client.wake(asked.folio, given["subscriber_id"], asked.lookup_id)
        return asked


def _property_lookup(folio_number: str, subscriber_id: int | None, lookup_id: int | None = None) -> None:
    """Asks the county's API and keeps the answer; tokens by the setting LOOKUP_TOKENS.

    ``lookup_id`` names the question that is written down; without it the question is written down first.
    """
    worker.answer(folio_number, subscriber_id, lookup_id)


property_lookup = LookupActor(
    _property_lookup,
    broker=dramatiq.get_broker(),
    actor_name=ACTOR,
    queue_name=LOOKUPS.queue_name,
    priority=1,
    options={
        "max_retries": len(client.RETRY_DELAYS),
        # For what is not the county's doing, such as a database that restarts.
        "min_backoff": 2_000,
        "max_backoff": 8_000,
        "max_age": MAX_AGE_MS,
        "throws": (LookupFailed, client.MalformedFolio, UnknownRecipient),
    },
)
