"""Lists, groups and ids of dead letters contain exactly the rows of their filter."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from operations.pages.dead_letter_filter import DeadLetterFilter
from operations.pages.dead_letter_search import find_dead_letters, group_dead_letters, matching_dead_letter_ids
from operations.pages.filters import BadFilter
from tests.hostile import HOSTILE_TEXTS
from tests.rows import Rows


@pytest.fixture
def connection(rows: Rows) -> psycopg.Connection[Any]:
    return rows.database.connection


def letter(rows: Rows, **values: Any) -> int:
    return rows.insert("failed_jobs", **{"queue_name": "email-workflows", "job_name": "daily_digest"} | values)


def ids(connection: psycopg.Connection[Any], **values: object) -> list[int]:
    """Return the ids of all dead letters of a filter, and check that pages and groups have the same."""
    wanted = DeadLetterFilter.parse({name: str(value) for name, value in values.items()})
    found = matching_dead_letter_ids(connection, wanted)
    page = find_dead_letters(connection, wanted, limit=3)
    listed = list(page.rows)
    while page.older is not None:
        page = find_dead_letters(connection, wanted, before=page.older, limit=3)
        listed += page.rows
    assert [row.id for row in listed] == found
    assert sum(group.letters for group in group_dead_letters(connection, wanted)) == len(found)
    return found


def test_each_field_and_the_search_box_restrict_the_rows(rows: Rows, connection: psycopg.Connection[Any]) -> None:
    user = rows.user(id=70001)
    sent = rows.insert(
        "deliveries",
        id=80001,
        channel="sms",
        kind="urgent_lead_sms",
        dedupe_key="a",
        state="dead",
        subscriber_id=user,
    )
    special = letter(
        rows,
        queue_name="sms-notifications",
        job_name="urgent_lead_sms",
        job_data={"delivery_id": sent, "subscriber_id": user, "code": "21610"},
        error_message="Number 100% blocked",
        failed_at="2026-03-08 12:00+00",
        state="replayed",
        delivery_id=sent,
    )
    for number in range(8):
        letter(rows, error_message=f"ConnectionError: no answer after {number} s", failed_at="2026-03-10 12:00+00")
    every = {
        "queue": "sms-notifications",
        "kind": "urgent_lead_sms",
        "code": "21610",
        "state": "replayed",
        "until": "2026-03-08",
    }
    for field, value in [*every.items(), *(("q", q) for q in (70001, 80001, "number 100% b", "100%", "2161"))]:
        assert ids(connection, **{field: value}) == [special], (field, value)
    assert ids(connection, **every, q="blocked") == [special]
    assert ids(connection, **{**every, "code": "x"}) == []
    assert ids(connection, q=special) == [special]
    assert len(ids(connection, q="no answer")) == 8
    assert find_dead_letters(connection, DeadLetterFilter(q="70001")).rows[0].subscriber_id == user


def test_causes_are_codes_or_messages_without_their_numbers(rows: Rows, connection: psycopg.Connection[Any]) -> None:
    for number in range(5):
        letter(rows, error_message=f"no answer to 0f{number}ab-77c{number} after {number} s")
    for state in ("open", "open", "dismissed"):
        letter(rows, job_data={"code": "550"}, error_message=f"mailbox {state}", state=state)
    letter(rows, error_message=None)
    groups = group_dead_letters(connection, DeadLetterFilter(states=("open",)))
    assert [(group.cause, group.letters) for group in groups] == [
        ("no answer to # after # s", 5),
        ("550", 2),
        ("unknown", 1),
    ]
    for group in groups:
        assert len(ids(connection, state="open", code=group.cause)) == group.letters


def test_pages_go_back_and_forth_while_rows_are_inserted(rows: Rows, connection: psycopg.Connection[Any]) -> None:
    for _ in range(9):
        letter(rows)
    wanted = DeadLetterFilter()
    first = find_dead_letters(connection, wanted, limit=3)
    second = find_dead_letters(connection, wanted, before=first.older, limit=3)
    letter(rows)
    assert [row.id for page in (first, second) for row in page.rows] == [9, 8, 7, 6, 5, 4]
    back = find_dead_letters(connection, wanted, after=second.newer, limit=3)
    assert (back.rows, back.newer) == (first.rows, 9)
    assert [row.id for row in find_dead_letters(connection, wanted, after=9, limit=3).rows] == [10, 9, 8]


def test_an_action_touches_no_row_outside_its_filter(rows: Rows, connection: psycopg.Connection[Any]) -> None:
    for number in range(10):
        letter(rows, state="open" if number % 2 else "dismissed")
    wanted = DeadLetterFilter(states=("open",))
    assert matching_dead_letter_ids(connection, wanted, newest_id=7) == [6, 4, 2]
    with pytest.raises(BadFilter, match="More than 4 dead letters"):
        matching_dead_letter_ids(connection, wanted, limit=4)


def test_hostile_searches_find_nothing(rows: Rows, connection: psycopg.Connection[Any]) -> None:
    letter(rows, error_message="abcXdef")
    for value in [*HOSTILE_TEXTS, "abc%def", "abc_def", "abc\\def"]:
        for field in ("q", "code", "kind"):
            try:
                found = ids(connection, **{field: value})
            except BadFilter:
                continue
            assert found in ([], [1]) if not value.strip() else found == [], value
