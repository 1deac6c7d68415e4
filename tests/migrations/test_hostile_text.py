"""No text from outside makes any of the database's functions raise an error or run for a long time."""

from __future__ import annotations

import contextlib

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from tests.hostile import HOSTILE_TEXTS
from tests.servers.postgres import Database

#: Argument type → the values to try, such as NULL, the smallest and the largest value. The type text is not listed.
OTHERS = {
    "integer": [None, 0, -(2**31), 2**31 - 1],
    "bigint": [None, 0, -(2**63), 2**63 - 1],
    "numeric": [None, "NaN", "Infinity", "-Infinity", "9" * 40],
    "text[]": ["{}", "{1 NW 1 ST}"],
    "date": [None, "infinity", "-infinity", "0001-01-01", "9999-12-31"],
}

#: Functions for operators, which refuse wrong input with invalid_parameter_value, or no_data_found for a row that does
#: not exist.
REFUSING = [
    "accept_address",
    "add_street_alias",
    "check_pause",
    "decide_address",
    "note_review_action",
    "pause_queue",
    "reject_address",
    "resume_queue",
    "start_operator_action",
    "undo_address_decision",
    "undo_street_alias",
]

Function = tuple[str, list[str]]


def functions_of_text(connection: psycopg.Connection, *, refusing: bool = False) -> list[Function]:
    """Find this project's functions that have a text argument; return each function's name and argument types.

    Returns either the functions in REFUSING or all others.
    """
    return connection.execute(
        "SELECT p.proname, array_agg(format_type(a.type, NULL) ORDER BY a.place)"
        " FROM pg_proc p CROSS JOIN unnest(p.proargtypes) WITH ORDINALITY AS a (type, place)"
        " WHERE p.pronamespace = 'public'::regnamespace AND p.prokind = 'f'"
        " AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')"
        " AND (p.proname = ANY (%s)) = %s"
        " GROUP BY p.oid, p.proname HAVING bool_or(a.type = 'text'::regtype) ORDER BY 1",
        (REFUSING, refusing),
    ).fetchall()


def call(connection: psycopg.Connection, function: Function, place: int, texts: list[str]) -> None:
    """Call ``function`` with each of ``texts`` as the argument at ``place``.

    Combine each text with every combination of values for the other arguments.
    """
    name, types = function
    values = [sql.SQL("unnest(%s::text[]) AS a{}").format(sql.Literal(place))]
    parameters: list[object] = [texts]
    for other, type_ in enumerate(types):
        if other != place:
            values.append(sql.SQL("unnest(%s::text[]) AS a{}").format(sql.Literal(other)))
            parameters.append(["1 NW 1 ST"] if type_ == "text" else OTHERS.get(type_, [None]))
    arguments = [sql.SQL("a{}::{}").format(sql.Literal(n), sql.SQL(type_)) for n, type_ in enumerate(types)]
    query = sql.SQL("SELECT count(r::text) FROM {} CROSS JOIN LATERAL {}({}) AS r").format(
        sql.SQL(", ").join(values), sql.Identifier(name), sql.SQL(", ").join(arguments)
    )
    with connection.transaction(force_rollback=True):
        connection.execute("SET LOCAL statement_timeout = '5s'")
        connection.execute(query, parameters)


def faults(connection: psycopg.Connection, function: Function, place: int, texts: list[str]) -> list[str]:
    """Return one error message for each text that makes ``function`` fail."""
    try:
        call(connection, function, place, texts)
    except psycopg.Error as error:
        if len(texts) == 1:
            return [f"{function[0]}, argument {place + 1}, {texts[0][:60]!r}… ({len(texts[0])}): {error}"]
        half = len(texts) // 2
        return [
            *faults(connection, function, place, texts[:half]),
            *faults(connection, function, place, texts[half:]),
        ]
    return []


def all_faults(connection: psycopg.Connection, texts: list[str]) -> list[str]:
    return [
        fault
        for function in functions_of_text(connection)
        for place, type_ in enumerate(function[1])
        if type_ == "text"
        for fault in faults(connection, function, place, texts)
    ]


def test_no_function_raises_for_a_hostile_text(database: Database) -> None:
    assert len(functions_of_text(database.connection)) > 15
    assert all_faults(database.connection, HOSTILE_TEXTS) == []


def test_a_function_for_operators_only_refuses_a_hostile_text(database: Database) -> None:
    found = functions_of_text(database.connection, refusing=True)
    assert [name for name, _ in found] == REFUSING
    for function in found:
        for text in HOSTILE_TEXTS:
            for place in (place for place, type_ in enumerate(function[1]) if type_ == "text"):
                with contextlib.suppress(psycopg.errors.InvalidParameterValue, psycopg.errors.NoDataFound):
                    call(database.connection, function, place, [text])


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8")), min_size=20, max_size=20))
def test_no_function_raises_for_any_text(database: Database, texts: list[str]) -> None:
    assert all_faults(database.connection, texts) == []


@pytest.mark.parametrize(("first", "last"), [("9" * 19, "99"), ("7538", "9" * 40), ("9" * 40, "9" * 40)])
def test_a_number_of_a_house_is_never_too_large(database: Database, first: str, last: str) -> None:
    row = database.connection.execute("SELECT last_house(%s, %s)", (first, last)).fetchone()
    assert row == (None,)
