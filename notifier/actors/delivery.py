"""The actor class whose ``.send()`` writes a row before it rings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import dramatiq

from notifier.actors.drain import KINDS
from notifier.broker.wakeups import try_wake
from notifier.core.errors import UnknownRecipient
from notifier.core.queues import Queue
from notifier.core.states import State
from notifier.deliveries.enqueue import DeliveryRequest, EnqueueResult, enqueue_deliveries


class DeliveryActor(dramatiq.Actor[Any, Any]):
    """An actor that sends something to a subscriber; its function says what its arguments ask for.

    Sending opens the delivery — row, token hold and ledger entry in one transaction — and then rings the lane. It
    succeeds with Redis down. The same delivery again gives the one there is. Too few tokens leave a ``skipped`` row.
    Raises UnknownRecipient for a subscriber or lead that does not exist, TypeError or ValueError for arguments that
    are none, and psycopg.Error when the database does not take the row: then nothing was opened.
    """

    def __init__(self, request: Callable[..., DeliveryRequest], kind: str) -> None:
        self.request = request
        super().__init__(
            # A message that somebody enqueued by name, without a row, opens it when it is heard.
            lambda *args, **kwargs: self.send(*args, **kwargs) and None,
            broker=dramatiq.get_broker(),
            actor_name=kind,
            queue_name=KINDS[kind].queue.queue_name,
            priority=0,
            options={"max_retries": 5, "throws": (UnknownRecipient, TypeError, ValueError)},
        )
        self.__doc__ = request.__doc__

    @property
    def queue(self) -> Queue:
        return KINDS[self.actor_name].queue

    def send(self, *args: Any, **kwargs: Any) -> EnqueueResult:  # type: ignore[override]
        return self.open([self.request(*args, **kwargs)])[0]

    def send_with_options(  # type: ignore[override]
        self,
        *,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
        delay: timedelta | float | None = None,
        **options: Any,
    ) -> EnqueueResult:
        """As ``send``, due only after ``delay`` (milliseconds or a timedelta). Other options mean nothing here."""
        wait = delay if isinstance(delay, timedelta) else timedelta(milliseconds=delay or 0)
        return self.open([replace(self.request(*args, **(kwargs or {})), delay=wait)])[0]

    def open(self, requests: Iterable[DeliveryRequest]) -> list[EnqueueResult]:
        """Opens the requested deliveries, all or none, and rings once for all that are due."""
        wanted = list(requests)
        opened = enqueue_deliveries(wanted)
        if any(
            new.is_new and new.state is State.QUEUED and not request.delay and request.not_before is None
            for request, new in zip(wanted, opened, strict=True)
        ):
            try_wake([self.queue])
        return opened


def delivery_actor(request: Callable[..., DeliveryRequest]) -> DeliveryActor:
    """Declares the actor of the delivery kind that the function is named after, on its lane's queue.

    The function takes the contract's arguments and returns the Request they mean; it raises ValueError when they mean
    nothing.
    """
    return DeliveryActor(request, request.__name__)


def send_many(actor: DeliveryActor, rows: Iterable[Mapping[str, Any]]) -> list[EnqueueResult]:
    """Opens thousands of deliveries in one statement: ``rows`` are the keyword arguments of ``actor.send``."""
    return actor.open([actor.request(**row) for row in rows])
