"""The class of actors that enqueue deliveries. ``send`` writes a row and then wakes a worker."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, ParamSpec, cast

import dramatiq

from notifier.broker.wakeups import try_wake
from notifier.core.errors import UnknownRecipient
from notifier.core.queues import KINDS
from notifier.core.states import State
from notifier.deliveries.enqueue import DeliveryRequest, EnqueueResult, enqueue_deliveries

P = ParamSpec("P")

Enqueue = Callable[[Iterable[DeliveryRequest]], list[EnqueueResult]]


def enqueue(
    requests: Iterable[DeliveryRequest],
    write: Callable[[Sequence[DeliveryRequest]], list[EnqueueResult]] = enqueue_deliveries,
) -> list[EnqueueResult]:
    """Call ``write``, which enqueues all deliveries or none, and then wake each queue that has a new delivery due now.

    Returns one result for each request, in the same order. Raises the errors that the docstring of ``DeliveryActor``
    lists.
    """
    wanted = list(requests)
    results = write(wanted)
    due_now = {
        KINDS[request.kind]
        for request, result in zip(wanted, results, strict=True)
        if result.is_new and result.state is State.QUEUED and not request.delay and request.not_before is None
    }
    try_wake(due_now)
    return results


class DeliveryActor(dramatiq.Actor[P, None]):
    """An actor that enqueues a delivery to a subscriber.

    ``send`` and ``send_with_options`` do not enqueue a Dramatiq message. In the caller's process these methods write
    the delivery (row, token hold and ledger entry in one transaction), wake the workers of its queue, and return an
    ``EnqueueResult``. Both methods succeed even while Redis is down. If the delivery already exists, the result names
    the existing delivery. If the subscriber has too few tokens, the new delivery is ``skipped``. Both methods raise
    UnknownRecipient if the subscriber or lead does not exist, TypeError or ValueError for wrong arguments, and
    psycopg.Error if the database does not accept the row. If a method raises an error, nothing has been enqueued.

    ``message`` and ``fn`` work as in Dramatiq: if a program puts a message for this actor into Redis, a worker runs the
    function, which enqueues the same delivery.

    Parameters, in addition to those of ``dramatiq.Actor``:
      build_request: takes the actor's arguments and returns a delivery request.
      enqueue: enqueues delivery requests.
    """

    def __init__(
        self,
        fn: Callable[P, None],
        *,
        build_request: Callable[P, DeliveryRequest],
        enqueue: Enqueue,
        **declaration: Any,
    ) -> None:
        self.build_request = build_request
        self.enqueue = enqueue
        super().__init__(fn, **declaration)
        self.__doc__ = fn.__doc__

    def send(self, *args: P.args, **kwargs: P.kwargs) -> EnqueueResult:  # type: ignore[override]  # see the class
        """Enqueue a delivery for these arguments. The delivery is due now."""
        return self.enqueue([self.build_request(*args, **kwargs)])[0]

    def send_with_options(  # type: ignore[override]  # see the class
        self,
        *,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
        delay: timedelta | float | None = None,
        **options: Any,
    ) -> EnqueueResult:
        """Enqueue a delivery for ``args`` and ``kwargs``.

        The delivery is due after ``delay`` (a timedelta or a number of milliseconds).

        Dramatiq's other options are ignored, because no message is enqueued.
        """
        wait = delay if isinstance(delay, timedelta) else timedelta(milliseconds=delay or 0)
        return self.enqueue([replace(self.build_request(*args, **(kwargs or {})), delay=wait)])[0]


def delivery_actor(
    build_request: Callable[P, DeliveryRequest], *, enqueue: Enqueue = enqueue
) -> Callable[[Callable[P, None]], DeliveryActor[P]]:
    """Declare a function as the actor for the delivery kind that has the function's name (see ``core.queues.KINDS``).

    A worker runs the function when it receives a message for the actor. The function enqueues the delivery that
    ``build_request`` returns.
    """

    def declare(fn: Callable[P, None]) -> DeliveryActor[P]:
        actor = dramatiq.actor(
            actor_class=partial(DeliveryActor, build_request=build_request, enqueue=enqueue),
            queue_name=KINDS[fn.__name__].queue_name,
            max_retries=5,
            throws=(UnknownRecipient, TypeError, ValueError),
        )
        return cast(DeliveryActor[P], actor(fn))

    return declare


def send_many(actor: DeliveryActor[Any], rows: Iterable[Mapping[str, Any]]) -> list[EnqueueResult]:
    """Enqueue many deliveries in one SQL statement, which enqueues either all of them or none.

    Each row contains keyword arguments for ``actor.send``.

    Return one result for each row, in the same order.
    """
    return actor.enqueue([actor.build_request(**row) for row in rows])
