"""Finds dead letters: their causes, pages of them, and the ids of all that match a filter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from psycopg import sql
from psycopg.rows import class_row, dict_row

from leads.sql import statement
from operations.pages.dead_letter_filter import DeadLetterFilter
from operations.pages.delivery_source import LAST_ID, AnyConnection, prepare, search_pattern
from operations.pages.filter_values import begin_of, end_of, is_id
from operations.pages.filters import BadFilter

T = TypeVar("T")

PAGE = 50
MOST_IDS = 200_000
MOST_GROUPS = 200


@dataclass(frozen=True)
class DeadLetter:
    """A row of the list. ``message`` is the text of the error."""

    id: int
    queue: str | None
    job: str | None
    state: str
    code: str | None
    message: str | None
    cause: str | None
    failed_at: datetime
    retry_count: int
    delivery_id: int | None
    delivery_state: str | None
    subscriber_id: int | None


@dataclass(frozen=True)
class DeadLetterGroup:
    """The dead letters of a queue and job that have the same cause."""

    queue: str | None
    job: str | None
    cause: str | None
    letters: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True)
class DeadLetterPage:
    """A page of dead letters, the newest first, with the cursors ``before`` and ``after`` of the pages around it."""

    rows: tuple[DeadLetter, ...]
    older: int | None
    newer: int | None


def group_dead_letters(
    connection: AnyConnection, wanted: DeadLetterFilter, limit: int = MOST_GROUPS
) -> list[DeadLetterGroup]:
    """Return the most frequent causes of the dead letters of a filter."""
    with connection.transaction():
        prepare(connection)
        parameters = _parameters(wanted) | {"limit": limit}
        return _records(connection, DeadLetterGroup, _groups(), parameters)


def find_dead_letters(
    connection: AnyConnection,
    wanted: DeadLetterFilter,
    *,
    before: int | None = None,
    after: int | None = None,
    limit: int = PAGE,
) -> DeadLetterPage:
    """Return the newest dead letters with smaller ids than ``before``, or with larger than ``after``."""
    with connection.transaction():
        prepare(connection)
        parameters = _parameters(wanted) | {"limit": limit + 1}
        if after is not None:
            newer = {**parameters, "above": after}
            rows = _records(connection, DeadLetter, _page("ASC"), newer)
            if len(rows) >= limit:
                shown = rows[-limit:]
                return DeadLetterPage(tuple(shown), shown[-1].id, shown[0].id if len(rows) > limit else None)
        older = {**parameters, "below": LAST_ID if before is None else before}
        rows = _records(connection, DeadLetter, _page("DESC"), older)
        shown = rows[:limit]
        previous = None if before is None else shown[0].id if shown else before - 1
        return DeadLetterPage(tuple(shown), shown[-1].id if len(rows) > limit else None, previous)


def matching_dead_letter_ids(
    connection: AnyConnection, wanted: DeadLetterFilter, limit: int = MOST_IDS, newest_id: int = LAST_ID - 1
) -> list[int]:
    """Return the ids of all dead letters of a filter that are not newer than ``newest_id``, the newest first.

    Raises BadFilter if there are more than ``limit``.
    """
    with connection.transaction():
        prepare(connection)
        parameters = _parameters(wanted) | {"below": newest_id + 1, "limit": limit + 1}
        with connection.cursor(row_factory=dict_row) as cursor:
            found = [row["id"] for row in cursor.execute(_ids("DESC"), parameters)]
    if len(found) > limit:
        raise BadFilter(f"More than {limit:,} dead letters match. Narrow the filter, for example to fewer days.")
    return found


def _parameters(wanted: DeadLetterFilter) -> dict[str, Any]:
    number = int(wanted.q) if wanted.q and is_id(wanted.q) else None
    return {
        "queue": wanted.queue,
        "kind": wanted.kind,
        "code": wanted.code,
        "states": list(wanted.states) or None,
        "since": begin_of(wanted.since),
        "until": end_of(wanted.until),
        "pattern": search_pattern(wanted.q) if wanted.q else None,
        "number": number,
        "above": 0,
        "below": LAST_ID,
    }


def _records(connection: AnyConnection, record: type[T], query: sql.Composed, parameters: Mapping[str, Any]) -> list[T]:
    with connection.cursor(row_factory=class_row(record)) as cursor:
        return cursor.execute(query, parameters).fetchall()


def _groups() -> sql.Composed:
    return sql.SQL(statement("operations/pages/dead_letter_groups")).format(rows=_rows())


def _page(direction: str) -> sql.Composed:
    return sql.SQL(statement("operations/pages/dead_letter_page")).format(ids=_ids(direction))


def _ids(direction: str) -> sql.Composed:
    template = sql.SQL(statement("operations/pages/dead_letter_ids"))
    return template.format(rows=_rows(), direction=sql.SQL(direction))


def _rows() -> sql.SQL:
    return sql.SQL(statement("operations/pages/dead_letter_rows"))
