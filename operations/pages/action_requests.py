"""What an operator asks for: an action, and the rows that it is for.

A request names the rows by their ids, or by a filter. A filter also has the id of the newest row that the operator saw,
so that rows that arrive later are not touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import parse_qsl

from fastapi import HTTPException

from leads.clock import NEW_YORK
from operations.pages import database
from operations.pages.dead_letter_filter import DeadLetterFilter
from operations.pages.dead_letter_search import matching_dead_letter_ids
from operations.pages.delivery_filter import DeliveryFilter
from operations.pages.delivery_search import matching_ids
from operations.pages.filters import BadFilter, one_of

#: The most rows that one action may change.
MOST_ROWS = 200_000
_LAST_ID = 2**63 - 2


class Action(NamedTuple):
    """An action: what its button says, what it does, and what a row that it has changed is called."""

    label: str
    effect: str
    done: str
    is_dangerous: bool = False


ACTIONS: Mapping[tuple[str, str], Action] = {
    ("dead_letter", "retry"): Action(
        "Retry",
        "Each delivery is queued again with a new token hold. What a provider has accepted is refused.",
        "queued",
    ),
    ("dead_letter", "dismiss"): Action(
        "Dismiss", "The dead letters are closed. Nothing is sent.", "dismissed", is_dangerous=True
    ),
    ("delivery", "retry"): Action(
        "Retry",
        "Failed, dead and parked deliveries are queued again with a new token hold. What a provider has accepted is "
        "refused.",
        "queued",
    ),
    ("delivery", "send_now"): Action(
        "Send now",
        "Queued deliveries are due now. Workers still check consent, call windows, preferences and limits.",
        "due now",
    ),
    ("delivery", "defer"): Action("Defer", "Queued deliveries are due at the time below.", "deferred"),
    ("delivery", "cancel"): Action(
        "Cancel", "Queued deliveries are not sent, and their token holds are released.", "cancelled", is_dangerous=True
    ),
}
NOUNS = {"delivery": ("delivery", "deliveries"), "dead_letter": ("dead letter", "dead letters")}


@dataclass(frozen=True)
class ActionRequest:
    """An action on rows that are named by ``ids``, or by ``filter`` (a query string) up to ``newest_id``."""

    object_type: str
    action: str
    ids: tuple[int, ...]
    filter: str | None
    newest_id: int

    @classmethod
    def parse(cls, given: Mapping[str, str]) -> ActionRequest:
        """Read a request from the fields of an address or a form; raise BadFilter for a field that cannot be."""
        object_type = one_of("type", given.get("type"), NOUNS, "")
        action = one_of("action", given.get("action"), sorted({name for _, name in ACTIONS}), "")
        if (object_type, action) not in ACTIONS:
            raise BadFilter("There is no such action.")
        newest = given.get("newest_id") or str(_LAST_ID)
        return cls(object_type, action, _ids(given.get("ids", "")), given.get("filter"), _ids(newest)[0])

    @property
    def declaration(self) -> Action:
        """The action's label and effect."""
        return ACTIONS[self.object_type, self.action]

    def find_ids(self) -> list[int]:
        """Return the ids of the rows, exactly those that the operator saw.

        Raises BadFilter if there are more than MOST_ROWS.
        """
        if self.filter is None:
            return list(self.ids)
        given = dict(parse_qsl(self.filter))
        with database.read() as connection:
            if self.object_type == "delivery":
                return matching_ids(connection, DeliveryFilter.parse(given), MOST_ROWS, self.newest_id)
            return matching_dead_letter_ids(connection, DeadLetterFilter.parse(given), MOST_ROWS, self.newest_id)

    def rows(self, count: int) -> str:
        """Return the number of rows in words, such as ``1,204 dead letters``."""
        one, many = NOUNS[self.object_type]
        return f"{count:,} {one if count == 1 else many}"


def _ids(text: str) -> tuple[int, ...]:
    parts = [part for part in text.split(",") if part]
    if len(parts) > MOST_ROWS or not all(part.isascii() and part.isdigit() and len(part) < 20 for part in parts):
        raise BadFilter("ids must be whole numbers with commas between them.")
    found = tuple(dict.fromkeys(int(part) for part in parts))
    if found and max(found) > _LAST_ID:
        raise BadFilter("ids must be ids of rows.")
    return found


def new_york_time(text: str) -> datetime:
    """Return a time that was written in New York, such as ``2026-11-28T08:00``, in UTC.

    Raises HTTPException (422) if it is no time, or is in the past or in the hour that daylight saving time skips.
    """
    try:
        written = datetime.fromisoformat(text)
    except ValueError as error:
        raise HTTPException(422, "Give a time.") from error
    if written.tzinfo is not None:
        raise HTTPException(422, "Give a time in New York, without a time zone.")
    moment = written.replace(tzinfo=NEW_YORK).astimezone(UTC)
    if moment.astimezone(NEW_YORK).replace(tzinfo=None) != written:
        raise HTTPException(422, "The clocks in New York skip this time. Choose a time an hour later.")
    if moment <= datetime.now(UTC):
        raise HTTPException(422, "The time must be in the future.")
    return moment
