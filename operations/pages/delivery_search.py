"""Finds deliveries: pages of them, how many there are, and the ids of all that match a filter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from psycopg import sql
from psycopg.rows import class_row, dict_row

from leads.sql import statement
from operations.pages.delivery_filter import DeliveryFilter
from operations.pages.delivery_source import LAST_ID, AnyConnection, Source, find_source, prepare
from operations.pages.filters import BadFilter

PAGE = 50
MOST_IDS = 200_000


@dataclass(frozen=True)
class Delivery:
    """A row of the list. ``subscriber_email`` and ``recipient`` are personal data, which the page masks."""

    id: int
    kind: str
    channel: str
    queue: str
    state: str
    code: str | None
    subscriber_id: int | None
    subscriber_email: str | None
    lead_id: int | None
    folio: str | None
    attempts: int
    not_before: datetime
    due_at: datetime
    created_at: datetime
    updated_at: datetime
    recipient: str | None
    provider_id: str | None


@dataclass(frozen=True)
class Page:
    """A page of deliveries, the newest first.

    ``older`` is the value of ``before`` for the next page, and ``newer`` the value of ``after`` for the page before;
    None if there is none. ``searched_to`` is set if the search ended before the page was full: it is the time of the
    last delivery that was looked at, and the next page continues there.
    """

    rows: tuple[Delivery, ...]
    older: int | None
    newer: int | None
    searched_to: datetime | None


@dataclass(frozen=True)
class Count:
    """How many deliveries match. If ``is_exact`` is false, there may be more."""

    rows: int
    is_exact: bool


@dataclass(frozen=True)
class _End:
    """The last row that a statement has looked at."""

    id: int
    created_at: datetime


def find_deliveries(
    connection: AnyConnection,
    wanted: DeliveryFilter,
    *,
    before: int | None = None,
    after: int | None = None,
    limit: int = PAGE,
) -> Page:
    """Return the newest deliveries of a filter: those with smaller ids than ``before``, or with larger than ``after``.

    Raises psycopg.errors.QueryCanceled if a statement takes longer than 5 seconds.
    """
    with connection.transaction():
        prepare(connection)
        return _page(connection, find_source(connection, wanted), before, after, limit)


def find_and_count(
    connection: AnyConnection, wanted: DeliveryFilter, *, before: int | None, after: int | None, at_most: int
) -> tuple[Page, Count]:
    """Return what ``find_deliveries`` and ``count_deliveries`` return, with one search for both."""
    with connection.transaction():
        prepare(connection)
        source = find_source(connection, wanted)
        return _page(connection, source, before, after, PAGE), _count(connection, source, at_most)


def count_deliveries(connection: AnyConnection, wanted: DeliveryFilter, at_most: int = 1_001) -> Count:
    """Count the deliveries of a filter up to ``at_most``, as far as one statement reads."""
    with connection.transaction():
        prepare(connection)
        return _count(connection, find_source(connection, wanted), at_most)


def matching_ids(
    connection: AnyConnection, wanted: DeliveryFilter, limit: int = MOST_IDS, newest_id: int = LAST_ID - 1
) -> list[int]:
    """Return the ids of all deliveries of a filter that are not newer than ``newest_id``, the newest first.

    Raises BadFilter if there are more than ``limit``. Reads the whole source step by step, which may take seconds.
    """
    with connection.transaction():
        prepare(connection)
        source = find_source(connection, wanted)
        source = replace(source, below=min(source.below, newest_id + 1))
        found: list[int] = []
        for step in _steps(connection, source):
            found += _ids(connection, step, limit + 1 - len(found))
            if len(found) > limit:
                raise BadFilter(f"More than {limit:,} deliveries match. Narrow the filter, for example to fewer days.")
    return found


def all_deliveries(connection: AnyConnection, wanted: DeliveryFilter, limit: int = 2_000) -> Iterator[list[Delivery]]:
    """Yield all deliveries of a filter in lists of at most ``limit``, the newest first."""
    with connection.transaction():
        prepare(connection)
        source = find_source(connection, wanted)
        for step in _steps(connection, source):
            below = step.below
            while rows := _rows(connection, replace(step, below=below), "DESC", limit):
                yield rows
                below = rows[-1].id


def _page(connection: AnyConnection, source: Source, before: int | None, after: int | None, limit: int) -> Page:
    if after is not None:
        page = _newer_page(connection, source, after, limit)
        if page is not None:
            return page
    return _older_page(connection, source, before, limit)


def _count(connection: AnyConnection, source: Source, at_most: int) -> Count:
    ids = _ids(connection, source, at_most)
    return Count(len(ids), len(ids) < at_most and _scan_end(connection, source) is None)


def _older_page(connection: AnyConnection, source: Source, before: int | None, limit: int) -> Page:
    if before is not None:
        source = replace(source, below=min(source.below, before))
    rows = _rows(connection, source, "DESC", limit + 1)
    end = None if len(rows) > limit else _scan_end(connection, source)
    shown = rows[:limit]
    older = shown[-1].id if len(rows) > limit else end.id if end else None
    newer = None if before is None else shown[0].id if shown else before - 1
    return Page(tuple(shown), older, newer, end.created_at if end else None)


def _newer_page(connection: AnyConnection, source: Source, after: int, limit: int) -> Page | None:
    """Return the page above ``after``; None if fewer deliveries than a page holds are newer."""
    source = replace(source, above=max(source.above, after))
    rows = _rows(connection, source, "ASC", limit + 1)
    end = None if len(rows) > limit else _scan_end(connection, source, "ASC")
    if len(rows) < limit and end is None:
        return None
    shown = rows[-limit:]
    newer = shown[0].id if len(rows) > limit else end.id if end else None
    older = shown[-1].id if shown else after + 1
    return Page(tuple(shown), older, newer, end.created_at if end else None)


def _steps(connection: AnyConnection, source: Source) -> Iterator[Source]:
    """Yield the source in parts of which one statement reads all rows, the newest first."""
    while (end := _scan_end(connection, source)) is not None:
        yield replace(source, above=end.id - 1)
        source = replace(source, below=end.id)
    yield source


def _rows(connection: AnyConnection, source: Source, direction: str, limit: int) -> list[Delivery]:
    """Return the first deliveries of a source in a direction, the newest first."""
    page = sql.SQL(statement("operations/pages/delivery_page"))
    query = page.format(ids=_ids_statement(source, direction))
    with connection.cursor(row_factory=class_row(Delivery)) as cursor:
        return cursor.execute(query, _parameters(source, limit=limit)).fetchall()


def _ids(connection: AnyConnection, source: Source, limit: int) -> list[int]:
    with connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(_ids_statement(source, "DESC"), _parameters(source, limit=limit))
        return [row["id"] for row in cursor]


def _ids_statement(source: Source, direction: str) -> sql.Composed:
    template = sql.SQL(statement("operations/pages/delivery_ids"))
    return template.format(source=source.select(direction), direction=sql.SQL(direction))


def _scan_end(connection: AnyConnection, source: Source, direction: str = "DESC") -> _End | None:
    """Return the last row that a statement reads in a direction; None if it reads all rows of the source."""
    template = sql.SQL(statement("operations/pages/delivery_scan_end"))
    query = template.format(source=source.select(direction), direction=sql.SQL(direction))
    with connection.cursor(row_factory=class_row(_End)) as cursor:
        return cursor.execute(query, _parameters(source)).fetchone()


def _parameters(source: Source, **more: Any) -> dict[str, Any]:
    return {**source.parameters, "scan": source.scan, "above": source.above, "below": source.below, **more}
