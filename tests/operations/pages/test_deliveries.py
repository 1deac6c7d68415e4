"""Pages, counts, ids and exports of deliveries contain exactly the rows of their filter."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from bench.plans import explained
from leads.sql import statement
from operations.pages import delivery_source
from operations.pages.delivery_export import COLUMNS, export_deliveries
from operations.pages.delivery_filter import RARE_STATES, STATES, DeliveryFilter
from operations.pages.delivery_search import Page, count_deliveries, find_deliveries, matching_ids
from operations.pages.filters import BadFilter
from tests.hostile import HOSTILE_TEXTS
from tests.rows import Rows
from tests.servers.postgres import fresh_database

FOLIO = "3040210000010"
PROVIDER_ID = "SM" + "0a" * 16


@pytest.fixture
def connection(rows: Rows) -> psycopg.Connection[Any]:
    return rows.database.connection


@pytest.fixture(autouse=True)
def few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the limits small enough for tests."""
    monkeypatch.setattr(delivery_source, "DENSE_SCAN", 20)
    monkeypatch.setattr(delivery_source, "SPARSE_SCAN", 10)
    monkeypatch.setattr(delivery_source, "COMMON", 15)
    monkeypatch.setattr(delivery_source, "FEW_IDS", 5)


def delivery(rows: Rows, **values: Any) -> int:
    """Write a delivery with a dedupe key of its own."""
    number = rows.one("SELECT coalesce(max(id), 0) + 1 FROM deliveries")
    defaults = {"channel": "email", "kind": "new_lead_alert", "dedupe_key": f"key-{number}", "state": "delivered"}
    return rows.insert("deliveries", **defaults | values)


def many(rows: Rows, count: int, **values: str) -> None:
    """Write many deliveries. The values are SQL expressions of the number ``n``."""
    columns = {"channel": "'email'", "kind": "'new_lead_alert'", "dedupe_key": "'many-' || n", "state": "'delivered'"}
    columns |= values
    rows.database.connection.execute(
        f"INSERT INTO deliveries ({', '.join(columns)}) SELECT {', '.join(columns.values())}"
        f" FROM generate_series(1, {count}) AS n"
    )


def ids(connection: psycopg.Connection[Any], **values: object) -> list[int]:
    """Return the ids of all deliveries of a filter, and check that pages, count and export have the same."""
    wanted = DeliveryFilter.parse({name: str(value) for name, value in values.items()})
    found = matching_ids(connection, wanted)
    pages = list(walk(connection, wanted))
    assert [row.id for page in pages for row in page.rows] == found
    counted = count_deliveries(connection, wanted)
    assert counted.rows == len(found) if counted.is_exact else counted.rows <= len(found)
    exported = b"".join(export_deliveries(connection, wanted)).decode()
    assert [int(line["id"]) for line in csv.DictReader(io.StringIO(exported))] == found
    return found


def walk(connection: psycopg.Connection[Any], wanted: DeliveryFilter, limit: int = 7) -> Iterator[Page]:
    page = find_deliveries(connection, wanted, limit=limit)
    yield page
    while page.older is not None:
        page = find_deliveries(connection, wanted, before=page.older, limit=limit)
        yield page


def test_the_search_box_understands_each_id_and_address(rows: Rows, connection: psycopg.Connection[Any]) -> None:
    user = rows.user(id=70001, email="Pat@Example.com", phone_number="305-555-0142")
    place = rows.insert("properties", folio_number=FOLIO)
    lead = rows.lead(property_id=place, phone_number="(786) 555-0199", source_reference="a")
    of_user, of_lead = delivery(rows, subscriber_id=user), delivery(rows, lead_id=lead)
    text = delivery(rows, kind="urgent_lead_sms", channel="sms", provider_id=PROVIDER_ID, recipient="+13055550777")
    error = delivery(rows, state="failed", error_code="unreachable", error_message="No route to Host 17: 100% lost")
    number = delivery(rows, state="failed", error_code="30003")
    mail = delivery(rows, provider_id="14c5d75ce93.dfd")
    other = delivery(rows, dedupe_key="low:70001:5")
    for q, expected in {
        str(text): [text],
        "70001": [of_user],
        "pat@example.com": [of_user],
        "(305) 555-0142": [of_user],
        "+1 305 555 0142": [of_user],
        "3055550142": [of_user],
        "786.555.0199": [of_lead],
        "305-555-0777": [text],
        FOLIO: [of_lead],
        "30-4021-000-0010": [of_lead],
        PROVIDER_ID: [text],
        "low:70001:5": [other],
        "30003": [number],
        "reach": [error],
        "ROUTE TO host": [error],
        "host 17": [error],
        "100% lo": [error],
        "nowhere to be found": [],
        "9999999": [],
        "8": [],
    }.items():
        assert ids(connection, q=q) == expected, q
    assert ids(connection, q="14c5d75ce93.dfd") == [mail]
    assert ids(connection, q=PROVIDER_ID + ".filter0001.16648") == [text]


def test_an_ambiguous_number_finds_everything_that_it_can_mean(rows: Rows, connection: psycopg.Connection[Any]) -> None:
    number = 3055550142
    user = rows.user(id=number, email="b@example.com")
    other = rows.user(email="c@example.com", phone_number=str(number))
    expected = [
        delivery(rows, subscriber_id=user),
        delivery(rows, subscriber_id=other),
        delivery(rows, state="dead", error_code=str(number)),
        delivery(rows, dedupe_key=str(number)),
        delivery(rows, id=number, subscriber_id=user),
    ]
    delivery(rows, id=number + 1)
    assert ids(connection, q=number) == expected[::-1]


def test_no_character_of_a_text_is_a_wildcard(rows: Rows, connection: psycopg.Connection[Any]) -> None:
    plain = delivery(rows, state="failed", error_message="abcXdef 1000 lost")
    special = {sign: delivery(rows, state="failed", error_message=f"abc{sign}def") for sign in ("%", "_", "\\")}
    for sign, expected in special.items():
        assert ids(connection, q=f"abc{sign}def") == [expected]
    assert ids(connection, q="abc") == [special["\\"], special["_"], special["%"], plain]


@pytest.mark.parametrize("q", ["%", "__", "\\", "a", "zq", "- -", "'", "--"])
def test_a_text_that_no_index_finds_is_refused(connection: psycopg.Connection[Any], q: str) -> None:
    with pytest.raises(BadFilter, match=r"^q must contain"):
        find_deliveries(connection, DeliveryFilter.parse({"q": q}))


def test_hostile_searches_find_nothing_and_change_nothing(rows: Rows, connection: psycopg.Connection[Any]) -> None:
    delivery(rows)
    for value in HOSTILE_TEXTS:
        for field in ("q", "code", "kind"):
            try:
                found = ids(connection, **{field: value})
            except BadFilter:
                continue
            assert found in ([], [1]), value
    assert rows.one("SELECT count(*) FROM deliveries") == 1


def test_each_field_restricts_the_rows(rows: Rows, connection: psycopg.Connection[Any]) -> None:
    user = rows.user()
    place = rows.insert("properties", folio_number=FOLIO)
    lead = rows.lead(property_id=place)
    special = delivery(
        rows,
        kind="urgent_lead_sms",
        channel="sms",
        state="parked",
        error_code="21610",
        subscriber_id=user,
        lead_id=lead,
        created_at="2026-03-08 12:00+00",
        updated_at="2026-03-08 12:00+00",
    )
    many(rows, 40, created_at="'2026-03-10 12:00+00'")
    every = {
        "queue": "sms-notifications",
        "kind": "urgent_lead_sms",
        "state": "parked",
        "code": "21610",
        "subscriber": user,
        "lead": lead,
        "folio": FOLIO,
        "until": "2026-03-08",
        "waiting": "1d",
    }
    for field, value in every.items():
        assert ids(connection, **{field: value}) == [special], field
    assert ids(connection, **every) == [special]
    for field, value in {
        "state": "failed",
        "queue": "email-workflows",
        "lead": lead + 1,
        "since": "2026-03-09",
    }.items():
        assert special not in ids(connection, **{**every, "until": "2026-03-12", field: value}), field


def test_days_are_new_yorks(rows: Rows, connection: psycopg.Connection[Any]) -> None:
    moments = ["2026-03-08 04:59+00", "2026-03-08 05:00+00", "2026-03-09 03:59+00", "2026-03-09 04:00+00"]
    of_day = [delivery(rows, created_at=moment) for moment in moments][1:3]
    assert ids(connection, since="2026-03-08", until="2026-03-08") == of_day[::-1]


def test_dates_find_the_same_rows_with_the_shortcut_by_ids(rows: Rows, connection: psycopg.Connection[Any]) -> None:
    many(rows, 200, created_at="timestamptz '2026-01-01 12:00+00' + n * interval '6 hours'")
    rows.database.connection.execute("DELETE FROM deliveries WHERE id %% 7 < 3".replace("%%", "%"))
    for since, until in [("2026-01-05", "2026-01-09"), ("2026-02-01", "2027-01-01"), ("2025-01-01", "2026-01-03")]:
        inside = rows.all(
            "SELECT id FROM deliveries WHERE (created_at AT TIME ZONE 'America/New_York')::date"
            " BETWEEN %(since)s AND %(until)s ORDER BY id DESC",
            since=since,
            until=until,
        )
        assert ids(connection, since=since, until=until) == inside


def test_waiting_starts_when_a_queued_delivery_was_due(rows: Rows, connection: psycopg.Connection[Any]) -> None:
    long_ago, soon = "2026-01-01", "2099-01-01"
    late = delivery(rows, state="queued", due_at=long_ago)
    delivery(rows, state="queued", due_at=soon, updated_at=long_ago)
    unknown = delivery(rows, state="unknown", updated_at=long_ago)
    delivery(rows, state="unknown", due_at=long_ago)
    sending = delivery(rows, state="sending", updated_at=long_ago)
    delivery(rows, state="failed", due_at=long_ago, updated_at=long_ago)
    assert ids(connection, waiting="2h") == [sending, unknown, late]


def test_pages_go_back_and_forth_while_rows_are_inserted(rows: Rows, connection: psycopg.Connection[Any]) -> None:
    many(rows, 30)
    wanted = DeliveryFilter()
    first = find_deliveries(connection, wanted, limit=10)
    second = find_deliveries(connection, wanted, before=first.older, limit=10)
    many(rows, 25, dedupe_key="'later-' || n")
    third = find_deliveries(connection, wanted, before=second.older, limit=10)
    assert [row.id for page in (first, second, third) for row in page.rows] == list(range(30, 0, -1))
    assert (third.older, first.newer) == (None, None)
    back = find_deliveries(connection, wanted, after=third.newer, limit=10)
    assert back.rows == second.rows
    assert find_deliveries(connection, wanted, after=back.newer, limit=10).rows == first.rows
    newest = find_deliveries(connection, wanted, after=50, limit=10)
    assert [row.id for row in newest.rows] == list(range(55, 45, -1))
    assert newest.newer is None


def test_a_search_stops_and_says_how_far_it_came(rows: Rows, connection: psycopg.Connection[Any]) -> None:
    old = delivery(rows, kind="weekly_report", created_at="2026-01-01 12:00+00")
    many(rows, 50)
    wanted = DeliveryFilter.parse({"kind": "weekly_report"})
    first = find_deliveries(connection, wanted)
    assert (first.rows, first.older) == ((), 32)
    assert first.searched_to == rows.one("SELECT created_at FROM deliveries WHERE id = 32")
    last = [page for page in walk(connection, wanted) if page.rows]
    assert [row.id for row in last[0].rows] == [old]
    assert last[0].searched_to is None
    count = count_deliveries(connection, wanted)
    assert (count.rows, count.is_exact) == (0, False)
    assert ids(connection, kind="weekly_report") == [old]


def test_a_count_ends_at_its_limit(rows: Rows, connection: psycopg.Connection[Any]) -> None:
    many(rows, 30, state="'failed'")
    count = count_deliveries(connection, DeliveryFilter.parse({"state": "failed"}), at_most=5)
    assert (count.rows, count.is_exact) == (5, False)


@pytest.mark.parametrize("parts", [12, 40])
def test_rare_and_common_texts_are_found_completely(
    rows: Rows, connection: psycopg.Connection[Any], parts: int
) -> None:
    many(rows, parts, state="'failed'", error_message="'timed out after ' || n", error_code="'slow_' || n % 3")
    many(rows, 30, dedupe_key="'ok-' || n")
    many(rows, 5, dedupe_key="'code-' || n", state="'dead'", error_code="'timed out'")
    assert len(ids(connection, q="timed out")) == parts + 5
    assert len(ids(connection, q="timed out", state="failed")) == parts
    assert ids(connection, q="after 7") == [7]
    assert len(ids(connection, q="low_1")) == len(range(1, parts + 1, 3))


def test_an_action_touches_no_row_outside_its_filter(rows: Rows, connection: psycopg.Connection[Any]) -> None:
    many(rows, 60, state="CASE WHEN n % 2 = 0 THEN 'failed' ELSE 'dead' END", kind="'weekly_report'")
    many(rows, 60, dedupe_key="'other-' || n", state="'failed'")
    wanted = DeliveryFilter.parse({"state": "failed", "kind": "weekly_report"})
    assert matching_ids(connection, wanted, newest_id=50) == list(range(50, 0, -2))
    with pytest.raises(BadFilter, match="More than 29 deliveries match"):
        matching_ids(connection, wanted, limit=29)
    assert len(matching_ids(connection, wanted, limit=30)) == 30


def test_an_export_is_masked_and_contains_no_formula(rows: Rows, connection: psycopg.Connection[Any]) -> None:
    user = rows.user(email="pat.smith@example.com")
    for code in ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", 'a",\n"b'):
        delivery(rows, subscriber_id=user, state="failed", error_code=code, recipient="+13055550142")
    exported = b"".join(export_deliveries(connection, DeliveryFilter())).decode()
    lines = list(csv.DictReader(io.StringIO(exported, newline="")))
    assert tuple(lines[0]) == COLUMNS
    assert [line["code"] for line in lines] == ['a",\n"b', "'\t=1", "'@SUM(A1)", "'-1", "'+1", "'=1+1"]
    assert "pat.smith" not in exported
    assert "3055550142" not in exported
    assert lines[0]["subscriber_email"] == "p…@example.com"
    assert not any(cell.startswith(("=", "+", "-", "@")) for line in lines for cell in line.values())


def test_an_export_reads_step_by_step(
    rows: Rows, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    many(rows, 55)
    parts = list(export_deliveries(connection, DeliveryFilter()))
    assert len(parts) == 1 + 3
    assert sum(part.count(b"\n") for part in parts) == 56


FILTERS: list[dict[str, str]] = [
    {},
    *({"state": state} for state in STATES),
    {"state": ",".join(RARE_STATES)},
    {"queue": "voice-assistant", "state": "failed"},
    {"kind": "weekly_report"},
    {"code": "code_1"},
    {"subscriber": "5"},
    {"lead": "5"},
    {"folio": FOLIO},
    {"since": "2026-01-03", "until": "2026-01-04"},
    {"waiting": "1h"},
    *({"q": q} for q in ("7", "3055550142", "a@example.com", FOLIO, PROVIDER_ID, "timed out", "ode_1", "nowhere")),
]


@pytest.fixture(scope="module")
def filled(postgres_server: Any, leads_template: str) -> Iterator[psycopg.Connection[Any]]:
    with fresh_database(postgres_server, "test_delivery_plans", leads_template) as database:
        many(
            Rows(database),
            20_000,
            state="CASE WHEN n % 50 = 0 THEN 'failed' ELSE 'delivered' END",
            error_message="CASE WHEN n % 50 = 0 THEN 'timed out ' || n END",
            error_code="CASE WHEN n % 50 = 0 THEN 'code_' || n % 7 END",
            created_at="timestamptz '2026-01-01' + n * interval '1 min'",
        )
        database.connection.execute("VACUUM ANALYZE")
        yield database.connection


@pytest.mark.parametrize("values", FILTERS, ids=lambda values: "&".join(f"{k}={v}" for k, v in values.items())[:40])
def test_no_statement_reads_all_deliveries(
    filled: psycopg.Connection[Any], values: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_source, "DENSE_SCAN", 500)
    monkeypatch.setattr(delivery_source, "COMMON", 500)
    wanted = DeliveryFilter.parse(values)
    with explained(filled) as plans:
        find_deliveries(filled, wanted)
        find_deliveries(filled, wanted, before=9_000)
        find_deliveries(filled, wanted, after=9_000)
        count_deliveries(filled, wanted, at_most=400)
    filled.execute("RESET client_min_messages")
    assert len(plans) > 4
    for plan in plans:
        for line in plan.lines:
            assert "Seq Scan on deliveries" not in line, "\n".join(plan.lines)
            node = re.search(r"rows=([\d.]+) loops=(\d+)", line.rpartition("actual")[2])
            read = float(node[1]) * int(node[2]) if node else 0
            assert read <= 2_000, "\n".join(plan.lines)


@pytest.mark.parametrize(
    "name",
    ["operations/pages/overview_queues", "operations/monitoring/queue_metrics", "notifier/deliveries/queue_status"],
)
def test_no_count_by_state_reads_all_deliveries(filled: psycopg.Connection[Any], name: str) -> None:
    with filled.transaction(force_rollback=True):
        plan = filled.execute("EXPLAIN " + statement(name), {"queues": ["email-workflows"]}).fetchall()
    assert not [line for (line,) in plan if "Seq Scan on deliveries" in line], "\n".join(line for (line,) in plan)


def test_a_statement_ends_after_its_time(rows: Rows, connection: psycopg.Connection[Any]) -> None:
    with connection.transaction():
        find_deliveries(connection, DeliveryFilter())
        assert connection.execute("SHOW statement_timeout").fetchone() == ("5s",)
    assert connection.execute("SHOW statement_timeout").fetchone() == ("0",)
