"""The address bar holds the whole filter, and nothing in it can break the page."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from urllib.parse import parse_qsl

import pytest

from operations.pages.dead_letter_filter import DeadLetterFilter
from operations.pages.delivery_filter import RARE_STATES, STATES, DeliveryFilter
from operations.pages.filter_values import begin_of, end_of
from operations.pages.filters import BadFilter
from tests.hostile import HOSTILE_TEXTS
from tests.rows import Rows

FULL = {
    "queue": "email-workflows",
    "kind": "daily_digest",
    "state": "failed,dead",
    "code": "550",
    "subscriber": "7",
    "lead": "8",
    "folio": "3040210000010",
    "since": "2026-03-01",
    "until": "2026-03-31",
    "waiting": "2h",
    "q": "a+b@example.com & 100%",
}


def parse(**values: str) -> DeliveryFilter:
    return DeliveryFilter.parse(values)


def test_a_query_string_gives_the_same_filter_back() -> None:
    wanted = DeliveryFilter.parse(FULL)
    assert wanted.states == ("failed", "dead")
    assert wanted.waiting == timedelta(hours=2)
    assert DeliveryFilter.parse(dict(parse_qsl(wanted.to_query()))) == wanted


@pytest.mark.parametrize(
    "values",
    [
        {"state": "dead, failed,dead", "folio": "30-4021-000-0010", "waiting": "120m", "q": " x y "},
        {"state": "failed,dead", "folio": "3040210000010", "waiting": "2h", "q": "x y", "kind": ""},
        {"waiting": "7200s", "state": ",failed,,dead", "folio": " 3040210000010", "q": "x y", "unknown": "1"},
    ],
)
def test_equal_filters_have_equal_query_strings(values: Mapping[str, str]) -> None:
    query = DeliveryFilter.parse(values).to_query()
    assert query == "state=failed,dead&folio=3040210000010&waiting=2h&q=x+y"


def test_an_empty_filter_is_an_empty_query_string() -> None:
    assert parse().to_query() == ""
    assert DeadLetterFilter.parse({}).to_query() == ""


def test_a_filter_of_dead_letters_gives_the_same_filter_back() -> None:
    values = {"queue": "admin-alerts", "kind": "x", "code": "b: #", "state": "open,dismissed", "q": "c"}
    wanted = DeadLetterFilter.parse({**values, "since": "2026-01-02", "until": "2026-01-02"})
    assert DeadLetterFilter.parse(dict(parse_qsl(wanted.to_query()))) == wanted


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("queue", "no-such-queue"),
        ("queue", "email-workflows,sms-notifications"),
        ("state", "failed,broken"),
        ("subscriber", "x"),
        ("subscriber", "-1"),
        ("subscriber", "9" * 19),
        ("lead", "1.5"),
        ("lead", "\u0661"),
        ("folio", "304021000001"),
        ("folio", "30-40210000010"),
        ("since", "2026-02-30"),
        ("since", "yesterday"),
        ("until", "10000-01-01"),
        ("waiting", "soon"),
        ("waiting", "0s"),
        ("waiting", "999999999d"),
        ("waiting", "-5m"),
        ("q", "a\x00b"),
        ("code", "\ud800"),
        ("kind", "x" * 201),
        ("q", "x" * 10_000_000),
    ],
)
def test_a_bad_value_is_refused_with_the_name_of_its_field(field: str, value: str) -> None:
    with pytest.raises(BadFilter, match=f"^{field} "):
        DeliveryFilter.parse({field: value})


def test_dates_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(BadFilter, match="since must not be after until"):
        parse(since="2026-03-02", until="2026-03-01")


@pytest.mark.parametrize("field", list(FULL))
def test_hostile_values_are_read_or_refused(field: str) -> None:
    for value in HOSTILE_TEXTS:
        for kind in (DeliveryFilter, DeadLetterFilter):
            try:
                wanted = kind.parse({field: value})
            except BadFilter:
                continue
            assert kind.parse(dict(parse_qsl(wanted.to_query()))) == wanted


def test_days_begin_and_end_in_new_york() -> None:
    spring = date(2026, 3, 8)
    begin, end = begin_of(spring), end_of(spring)
    assert begin is not None
    assert end is not None
    assert (begin.isoformat(), end - begin) == ("2026-03-08T05:00:00+00:00", timedelta(hours=23))
    assert end_of(date.max) is None


def test_only_rows_that_wait_match_a_waiting_time() -> None:
    assert set(parse(waiting="1h").effective_states) == {"queued", "unknown", "parked", "sending"}
    assert parse(waiting="1h", state="queued,delivered").effective_states == ("queued",)
    assert parse(waiting="1h", state="delivered").effective_states == ("none",)


def test_the_filter_knows_the_states_of_the_database(rows: Rows) -> None:
    states = rows.one("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'deliveries_state_check'")
    assert set(STATES) == {part.split("'")[0] for part in states.split("'")[1::2]}
    index = rows.one("SELECT pg_get_indexdef('deliveries_states'::regclass)")
    assert set(RARE_STATES) == set(index.split("'")[1::2])
