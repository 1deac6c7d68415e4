"""The actor class whose ``.send()`` writes a row before it rings."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any

import dramatiq

from notifier import deliveries
from notifier.bells import ring_quietly
from notifier.deliveries import Opened
from notifier.lanes import Lane
from notifier.sending import KINDS
from notifier.states import State


class DeliveryActor(dramatiq.Actor[Any, Any]):
    """An actor that sends something to a subscriber.

    Sending opens the delivery — row, token hold and ledger entry in one transaction — and then rings the lane. It
    succeeds with Redis down. The same delivery again gives the one there is. Too few tokens leave a ``skipped`` row.
    Raises notifier.errors.UnknownRecipient for a subscriber or lead that does not exist, and psycopg.Error when the
    database does not take the row: then nothing was opened.
    """

    @property
    def lane(self) -> Lane:
        return KINDS[self.actor_name].lane

    def send(self, *args: Any, **kwargs: Any) -> Opened:  # type: ignore[override]
        return self.send_with_options(args=args, kwargs=kwargs)

    def send_with_options(  # type: ignore[override]
        self,
        *,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
        delay: timedelta | float | None = None,
        **options: Any,
    ) -> Opened:
        """As ``send``, due only after ``delay`` (milliseconds or a timedelta). Other options mean nothing here."""
        bound = inspect.signature(self.fn).bind(*args, **(kwargs or {}))
        return self.open([bound.arguments], delay=delay)[0]

    def open(self, rows: Iterable[Mapping[str, Any]], *, delay: timedelta | float | None = None) -> list[Opened]:
        """Opens one delivery for each row of arguments, all or none, and rings once for all of them."""
        wait = delay if isinstance(delay, timedelta) else timedelta(milliseconds=delay or 0)
        pairs = [(int(row["subscriber_id"]), int(row["lead_id"])) for row in rows]
        opened = deliveries.open_for_leads(self.actor_name, pairs, delay=wait)
        if not wait and any(one.is_new and one.state is State.QUEUED for one in opened):
            ring_quietly([self.lane])
        return opened


def delivery_actor(kind: str) -> Callable[[Callable[..., None]], DeliveryActor]:
    """Declares the actor of a delivery kind on its lane's queue.

    Its function runs only for a message that somebody enqueued by name without a row: it opens the row then.
    """

    def declare(function: Callable[..., None]) -> DeliveryActor:
        return DeliveryActor(
            function,
            broker=dramatiq.get_broker(),
            actor_name=kind,
            queue_name=KINDS[kind].lane.queue_name,
            priority=0,
            options={"max_retries": 5},
        )

    return declare


def send_many(actor: DeliveryActor, rows: Iterable[Mapping[str, Any]]) -> list[Opened]:
    """Opens thousands of deliveries in one statement: ``rows`` are the keyword arguments of ``actor.send``."""
    return actor.open(rows)
