"""The filter of the page Deliveries, as the address bar holds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Self

from operations.monitoring.queue_metrics import QUEUES
from operations.pages import filter_values as values

#: The states of a delivery that are rare, and have an index for this reason.
RARE_STATES = (
    "queued",
    "unknown",
    "parked",
    "undelivered",
    "failed",
    "dead",
    "skipped",
    "suppressed",
    "expired",
    "cancelled",
)
STATES = (*RARE_STATES, "sending", "accepted", "sent", "delivered")
#: The states in which a delivery waits: for its time, for an answer of the provider, or for a decision.
WAITING_STATES = ("queued", "unknown", "parked", "sending")
#: Whether queued deliveries are due already, or later.
WHEN = ("due", "later")
#: No delivery has this state.
_NO_STATE = ("none",)


@dataclass(frozen=True)
class DeliveryFilter:
    """The deliveries that a page shows. Fields that are None or empty do not restrict them.

    ``code`` is an error code. ``since`` and ``until`` are dates in New York, both inclusive, on which the delivery was
    created. ``when`` finds queued deliveries that are due already, or later. ``waiting`` finds deliveries that wait for
    longer than this: queued ones since they were due, and unknown, parked and sending ones since their last change.
    ``q`` is the text of the search box.
    """

    queue: str | None = None
    kind: str | None = None
    states: tuple[str, ...] = ()
    code: str | None = None
    subscriber: int | None = None
    lead: int | None = None
    folio: str | None = None
    since: date | None = None
    until: date | None = None
    when: str | None = None
    waiting: timedelta | None = None
    q: str | None = None

    @classmethod
    def parse(cls, parameters: Mapping[str, str]) -> Self:
        """Read the filter from the parameters of a query string; raise BadFilter for a value that cannot be."""
        since, until = values.days(parameters)
        return cls(
            queue=values.one_of(parameters, "queue", QUEUES),
            kind=values.text(parameters, "kind"),
            states=values.several_of(parameters, "state", STATES),
            code=values.text(parameters, "code"),
            subscriber=values.identifier(parameters, "subscriber"),
            lead=values.identifier(parameters, "lead"),
            folio=values.folio(parameters, "folio"),
            since=since,
            until=until,
            when=values.one_of(parameters, "when", WHEN),
            waiting=values.wait(parameters, "waiting"),
            q=values.text(parameters, "q"),
        )

    def to_query(self) -> str:
        """Return the filter as a query string. Equal filters have equal query strings."""
        return values.query(
            queue=self.queue,
            kind=self.kind,
            state=self.states,
            code=self.code,
            subscriber=self.subscriber,
            lead=self.lead,
            folio=self.folio,
            since=self.since,
            until=self.until,
            when=self.when,
            waiting=values.write_wait(self.waiting),
            q=self.q,
        )

    @property
    def effective_states(self) -> tuple[str, ...]:
        """The states that a delivery may have. The filters by time leave out the states that do not wait."""
        if self.when is None and self.waiting is None:
            return self.states
        waiting = WAITING_STATES if self.when is None else ("queued",)
        return tuple(state for state in waiting if not self.states or state in self.states) or _NO_STATE
