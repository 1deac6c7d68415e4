"""The filter of the page Dead letters, as the address bar holds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Self

from county.feeds import FEEDS
from operations.monitoring.queue_metrics import QUEUES as NOTIFIER_QUEUES
from operations.pages import filter_values as values

#: The queues of dead letters: the notifier's, and one for the failed runs of each feed.
QUEUES = (*NOTIFIER_QUEUES, *(feed.queue_name for feed in FEEDS))
STATES = ("open", "replayed", "dismissed")


@dataclass(frozen=True)
class DeadLetterFilter:
    """The dead letters that a page shows. Fields that are None or empty do not restrict them.

    ``kind`` is the kind of the delivery or the name of the actor. ``code`` is a cause as ``group_dead_letters`` returns
    it: an error code, or the start of a message with # for every number. ``since`` and ``until`` are dates in New York,
    both inclusive. ``q`` is the id of a dead letter, delivery or subscriber, or a text of the error.
    """

    queue: str | None = None
    kind: str | None = None
    code: str | None = None
    states: tuple[str, ...] = ()
    since: date | None = None
    until: date | None = None
    q: str | None = None

    @classmethod
    def parse(cls, parameters: Mapping[str, str]) -> Self:
        """Read the filter from the parameters of a query string; raise BadFilter for a value that cannot be."""
        since, until = values.days(parameters)
        return cls(
            queue=values.one_of(parameters, "queue", QUEUES),
            kind=values.text(parameters, "kind"),
            code=values.text(parameters, "code"),
            states=values.several_of(parameters, "state", STATES),
            since=since,
            until=until,
            q=values.text(parameters, "q"),
        )

    def to_query(self) -> str:
        """Return the filter as a query string. Equal filters have equal query strings."""
        return values.query(
            queue=self.queue,
            kind=self.kind,
            code=self.code,
            state=self.states,
            since=self.since,
            until=self.until,
            q=self.q,
        )
