"""Decides which index serves a filter of deliveries.

The result is a source: a statement that returns deliveries in the order of their ids without sorting many of them. The
other conditions of the filter are checked row by row. A page reads a limited number of the source's rows, so that no
filter runs for long.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import DictRow, dict_row

from leads.sql import statement
from operations.pages.delivery_filter import RARE_STATES, DeliveryFilter
from operations.pages.filter_values import begin_of, end_of, folio_digits, is_id
from operations.pages.filters import BadFilter

#: How many rows of a source one statement reads: all rows in their order, rows of an index, and rows of subscribers,
#: each of which lies in another block.
DENSE_SCAN, SPARSE_SCAN, SCATTERED_SCAN = 40_000, 10_000, 5_000
#: A text that more error messages contain is found by reading deliveries from the newest on.
COMMON = 2_000
#: So many index scans are merged.
MOST_BRANCHES = 50
#: Fewer ids than this are read without looking up the ids of the filter's dates.
FEW_IDS = 50_000
#: How far the order of ids and the order of creation times can differ.
CLOCK_SLACK = timedelta(hours=1)
LAST_ID = 2**63 - 1
STATEMENT_TIMEOUT_MS = 5_000

AnyConnection = psycopg.Connection[Any]


@dataclass(frozen=True)
class Source:
    """Statements and subscribers whose deliveries are all different, with the parameters of the filter's conditions.

    ``scan`` is the number of rows that one statement reads at most. All rows have ids between ``above`` and ``below``.
    """

    branches: tuple[sql.Composable, ...]
    scan: int
    parameters: Mapping[str, Any]
    above: int = 0
    below: int = LAST_ID
    subscribers: tuple[int, ...] = ()

    def select(self, direction: str) -> sql.Composable:
        """Return a statement with the next rows in a direction, ``ASC`` or ``DESC``, in the order of their ids."""
        words = {"direction": sql.SQL(direction)}
        one = sql.SQL(statement("operations/pages/delivery_branch"))
        mine = sql.SQL(statement("operations/pages/deliveries_of_subscriber"))
        of_subscribers = [mine.format(subscriber=sql.Literal(number), **words) for number in self.subscribers]
        parts = [one.format(branch=branch, **words) for branch in (*self.branches, *of_subscribers)]
        if len(parts) == 1:
            return parts[0]
        merged = sql.SQL(" UNION ALL ").join(sql.SQL("({})").format(part) for part in parts)
        return sql.SQL(statement("operations/pages/delivery_source")).format(branches=merged, **words)


def prepare(connection: AnyConnection) -> None:
    """Limit the statements of the current transaction to 5 seconds, and make the planner use the indexes."""
    connection.execute(statement("operations/pages/prepare_search"), {"timeout": str(STATEMENT_TIMEOUT_MS)})


def find_source(connection: AnyConnection, wanted: DeliveryFilter) -> Source:
    """Return the source of a filter. Takes a few short statements."""
    ids = one_row(
        connection,
        "delivery_filter_ids",
        queue=wanted.queue,
        kind=wanted.kind,
        folio=wanted.folio,
        lead=wanted.lead,
    )
    since, until = begin_of(wanted.since), end_of(wanted.until)
    conditions = {
        **ids,
        "states": list(wanted.effective_states) or None,
        "code": wanted.code,
        "subscriber": wanted.subscriber,
        "since": since,
        "until": until,
        "when": wanted.when,
        "waiting": wanted.waiting,
        "pattern": None,
    }
    source = _of_search(connection, wanted, conditions) or _of_fields(conditions)
    above = _first_id(connection, since - CLOCK_SLACK) if since else None
    below = _first_id(connection, until + CLOCK_SLACK) if until else None
    return replace(source, above=(above or 1) - 1, below=below or LAST_ID)


def search_pattern(text: str) -> str:
    """Return the pattern for LIKE that finds a text anywhere, and takes no character of it for a wildcard.

    A short number is only an id, so its pattern finds the whole text alone. Raises BadFilter for another text that the
    indexes cannot find: one without three letters or digits in a row.
    """
    is_short = re.search(r"[^\W_]{3}", text) is None
    if is_short and not is_id(text):
        raise BadFilter("q must contain at least three letters or digits in a row, or be an id.")
    return text if is_short else "%" + re.sub(r"([\\%_])", r"\\\1", text) + "%"


def one_row(connection: AnyConnection, name: str, **parameters: Any) -> DictRow:
    """Run a statement that returns one row."""
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(statement(f"operations/pages/{name}"), parameters).fetchone()
    assert row is not None
    return row


def _of_fields(conditions: Mapping[str, Any]) -> Source:
    """Return the source that the fields of a filter allow, from the most to the least selective."""
    states = conditions["states"]
    if conditions["leads"] is not None:
        return Source(_whole("lead_id = ANY (%(leads)s)"), SPARSE_SCAN, conditions)
    if conditions["subscriber"] is not None:
        return Source((), SCATTERED_SCAN, conditions, subscribers=(conditions["subscriber"],))
    if conditions["code"] is not None:
        return _of_codes(conditions, [conditions["code"]])
    if states and set(states) <= {*RARE_STATES, "sending", "none"}:
        return Source(_of_states(states), SPARSE_SCAN, conditions)
    return Source((sql.SQL("SELECT * FROM deliveries"),), DENSE_SCAN, conditions)


def _of_search(connection: AnyConnection, wanted: DeliveryFilter, conditions: Mapping[str, Any]) -> Source | None:
    """Return the source of the search box's text; None if it is empty."""
    if wanted.q is None:
        return None
    entities = {
        "q": wanted.q,
        "number": int(wanted.q) if is_id(wanted.q) else None,
        "folio": folio_digits(wanted.q),
        # An event of SendGrid has the id of the request and, after a period, the id of the recipient's message.
        "providers": [wanted.q, wanted.q.partition(".")[0]],
    }
    found = one_row(connection, "search_entities", **entities)
    if found["is_exact"] or found["subscribers"] or found["leads"]:
        parameters = {
            **conditions,
            **entities,
            "phone": found["phone"],
            "found_subscribers": found["subscribers"],
            "found_leads": found["leads"],
        }
        others = sql.SQL(statement("operations/pages/search_deliveries"))
        if len(found["subscribers"]) <= MOST_BRANCHES:
            return Source((others,), SCATTERED_SCAN, parameters, subscribers=tuple(found["subscribers"]))
        return Source((*_whole("subscriber_id = ANY (%(found_subscribers)s)"), others), SCATTERED_SCAN, parameters)
    return _of_text(connection, {**conditions, "pattern": search_pattern(wanted.q)})


def _of_text(connection: AnyConnection, conditions: Mapping[str, Any]) -> Source:
    """Return the source for a text that error codes or error messages contain.

    Rare texts are found by the indexes. A text that many rows contain is found soon by reading the newest rows.
    """
    selective = any(conditions[name] is not None for name in ("leads", "subscriber", "code"))
    if selective:
        return _of_fields(conditions)
    if not conditions["pattern"].startswith("%"):
        return _of_codes(conditions, [conditions["pattern"]])
    with connection.cursor() as cursor:
        pattern = {"pattern": conditions["pattern"]}
        rows = cursor.execute(statement("operations/pages/search_codes"), {**pattern, "limit": 1_000}).fetchall()
        codes = [row["error_code"] if isinstance(row, dict) else row[0] for row in rows]
    # Messages with the same words are counted, because the index finds words only.
    words = re.sub(r"(?:[\W_]|\\.)+", "%", conditions["pattern"])
    found = one_row(connection, "search_messages", pattern=words, limit=COMMON)["found"]
    if found >= COMMON or len(codes) > MOST_BRANCHES:
        return _of_fields(conditions)
    messages = sql.SQL(statement("operations/pages/search_texts"))
    return _of_codes(conditions, codes, messages)


def _first_id(connection: AnyConnection, moment: datetime) -> int | None:
    """Return the id of the first delivery at or after a moment; None if there are too few deliveries to look it up."""
    with connection.cursor(row_factory=dict_row) as cursor:
        query = statement("operations/pages/delivery_ids_by_day")
        row = cursor.execute(query, {"moment": moment, "small": FEW_IDS}).fetchone()
    return row["id"] if row else None


def _whole(condition: str) -> tuple[sql.Composable]:
    """Return a branch whose rows are all found before they are sorted.

    OFFSET 0 keeps the planner from reading all deliveries in the order of their ids instead.
    """
    return (sql.SQL("SELECT * FROM deliveries WHERE {} OFFSET 0").format(sql.SQL(condition)),)


def _of_states(states: Sequence[str]) -> tuple[sql.Composable, ...]:
    """Return a branch for each state, which the database reads by an index scan."""
    one = sql.SQL("SELECT * FROM deliveries WHERE state = {}")
    return tuple(one.format(sql.Literal(state)) for state in states)


def _of_codes(conditions: Mapping[str, Any], codes: Sequence[str], *others: sql.Composable) -> Source:
    """Return the source with a branch for each error code, and with other branches."""
    one = sql.SQL("SELECT * FROM deliveries WHERE error_code = (%(codes)s::text[])[{}]")
    branches = [one.format(sql.Literal(number)) for number in range(1, len(codes) + 1)]
    return Source((*branches, *others), SPARSE_SCAN, {**conditions, "codes": codes})
