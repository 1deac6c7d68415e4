"""What an operator wants to act on: a selection of rows, or all rows that match a filter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self
from urllib.parse import parse_qsl

from operations.pages import database
from operations.pages.action_kinds import ActionKind, find_kind
from operations.pages.dead_letter_filter import DeadLetterFilter
from operations.pages.dead_letter_search import matching_dead_letter_ids
from operations.pages.delivery_filter import DeliveryFilter
from operations.pages.delivery_search import matching_ids
from operations.pages.filter_values import is_id
from operations.pages.filters import BadFilter

#: More rows are chosen by a filter, because their ids do not fit into an address.
MOST_SELECTED = 1_000
LONGEST_FILTER = 4_000
_LAST_ID = 2**63 - 2
_PHRASES = {
    "queue": "of {}",
    "kind": "of kind {}",
    "code": "with code {}",
    "subscriber": "of subscriber {}",
    "lead": "about lead {}",
    "folio": "about folio {}",
    "since": "since {}",
    "until": "until {}",
    "when": "due {}",
    "waiting": "waiting longer than {}",
    "q": "that match “{}”",
}


@dataclass(frozen=True)
class ActionRequest:
    """An action on the rows ``ids``, or, if there are none, on all rows that match ``wanted``."""

    kind: ActionKind
    ids: tuple[int, ...]
    wanted: DeliveryFilter | DeadLetterFilter | None

    @classmethod
    def parse(cls, given: Mapping[str, str]) -> Self:
        """Read the fields ``type``, ``action``, ``ids`` and ``filter``. Raises BadFilter for a value that cannot be."""
        kind = find_kind(given.get("type", ""), given.get("action", ""))
        ids = _ids(given.get("ids", ""))
        if not ids and "filter" not in given:
            raise BadFilter("Select at least one row.")
        return cls(kind, ids, None if ids else _filter(kind, given["filter"]))

    @property
    def filter_query(self) -> str:
        """The filter as a query string; empty for a selection."""
        return self.wanted.to_query() if self.wanted else ""

    def describe(self) -> str:
        """Return the filter in words, such as ``of email-workflows with code 503``; empty for a selection."""
        fields = [pair for pair in parse_qsl(self.filter_query) if pair[0] != "state"]
        return " ".join(_PHRASES.get(name, f"with {name} {{}}").format(value) for name, value in fields)


@dataclass(frozen=True)
class Targets:
    """The ids that an action can change, and how many rows of the selection it cannot change.

    No row of the filter has a larger id than ``newest``.
    """

    ids: list[int]
    others: int
    newest: int


def find_targets(connection: database.Connection, request: ActionRequest, newest: int = _LAST_ID) -> Targets:
    """Return the rows that the action can change now, without rows that are newer than ``newest``.

    Raises BadFilter if a filter matches more than 200,000 rows.
    """
    found = list(request.ids)
    if isinstance(request.wanted, DeliveryFilter):
        found = matching_ids(connection, request.wanted, newest_id=newest)
    elif isinstance(request.wanted, DeadLetterFilter):
        found = matching_dead_letter_ids(connection, request.wanted, newest_id=newest)
    name = "action_deliveries" if request.kind.object_type == "delivery" else "action_dead_letters"
    able = [row["id"] for row in database.rows(connection, name, ids=found, action=request.kind.action)]
    return Targets(able, len(found) - len(able), max(found, default=0))


def _ids(text: str) -> tuple[int, ...]:
    parts = [part for part in text.split(",", MOST_SELECTED + 1) if part]
    if len(parts) > MOST_SELECTED:
        raise BadFilter(f"At most {MOST_SELECTED:,} rows can be selected. Use a filter for more.")
    if not all(is_id(part) for part in parts):
        raise BadFilter("ids must be whole numbers.")
    return tuple(sorted({int(part) for part in parts}))


def _filter(kind: ActionKind, text: str) -> DeliveryFilter | DeadLetterFilter:
    """Return the filter, restricted to the states that the action can change."""
    if len(text) > LONGEST_FILTER:
        raise BadFilter("The filter is too long.")
    values = dict(parse_qsl(text))
    if kind.object_type == "dead_letter":
        letters = DeadLetterFilter.parse(values)
        return replace(letters, states=_states(kind, letters.states))
    deliveries = DeliveryFilter.parse(values)
    return replace(deliveries, states=_states(kind, deliveries.effective_states))


def _states(kind: ActionKind, wanted: tuple[str, ...]) -> tuple[str, ...]:
    states = tuple(state for state in kind.states if not wanted or state in wanted)
    if not states:
        possible = " or ".join(kind.states)
        raise BadFilter(f"{kind.verb} changes only rows in the state {possible}. The filter shows none of them.")
    return states
