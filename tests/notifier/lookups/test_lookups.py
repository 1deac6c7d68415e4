"""Lookups use the cache, share one API call per folio, respect the daily budget, and charge only for spent units."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from dramatiq.errors import Retry

from tests.notifier.county_api import CountyApi, answer, deed
from tests.notifier.system import System
from tests.servers.postgres import Database

FOLIO = "0131230450670"
QUEUE = "api-property-lookup"


def answer_now(folio: str = FOLIO, subscriber_id: int | None = None) -> None:
    """Answer a lookup in this process the way a worker does."""
    from notifier.lookups import worker

    worker.answer(folio, subscriber_id, None)


def results(folio: str = FOLIO) -> list[tuple[Any, ...]]:
    """Return the state, error code and attempts of each lookup of the folio."""
    from notifier.core.db import transaction

    with transaction() as cursor:
        cursor.execute("SELECT state, error_code, attempts FROM lookups WHERE folio_number = %s ORDER BY id", (folio,))
        return [tuple(row.values()) for row in cursor.fetchall()]


def used(database: Database) -> int:
    row = database.connection.execute("SELECT coalesce(sum(used), 0) FROM api_unit_budget").fetchone()
    return int(row[0]) if row else 0


def logged(database: Database) -> list[tuple[Any, ...]]:
    return database.connection.execute(
        "SELECT response_status, units_consumed, remaining_balance, records_returned"
        " FROM miami_dade_api_logs ORDER BY id"
    ).fetchall()


def property_known(database: Database, age: timedelta, **columns: object) -> None:
    values = {"folio_number": FOLIO, "last_updated": datetime.now(UTC) - age, "owner_name": "OLD OWNER", **columns}
    names = ", ".join(values)
    marks = ", ".join(["%s"] * len(values))
    database.connection.execute(f"INSERT INTO properties ({names}) VALUES ({marks})", [*values.values()])


# ── the answer ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_recent_property_is_answered_from_the_cache(
    county_api: CountyApi, system: System, database: Database
) -> None:
    import notifier

    property_known(database, timedelta(days=29, hours=23))
    found = notifier.lookup("01-3123-045-0670", system.subscriber())
    assert {name: value for name, value in found.items() if name != "property"} == {
        "source": "cached",
        "age_days": 29,
        "total_records": None,
        "units_consumed": 0,
        "remaining_balance": None,
    }
    assert (found["property"]["owner_name"], found["property"]["folio_number"]) == ("OLD OWNER", FOLIO)
    assert not county_api.calls()


@pytest.mark.parametrize(
    ("age", "roll"), [(timedelta(days=30, minutes=1), None), (timedelta(days=40), datetime.now(UTC))]
)
def test_an_old_property_is_looked_up_even_when_its_roll_is_recent(
    county_api: CountyApi, database: Database, age: timedelta, roll: datetime | None
) -> None:
    property_known(database, age, roll_updated_at=roll)
    county_api.answers(answer(deed(FOLIO, "NEW OWNER"), balance=41))
    answer_now()
    import notifier

    assert county_api.folios() == [FOLIO]
    assert notifier.lookup(FOLIO, 0)["property"]["owner_name"] == "NEW OWNER"


def test_an_answer_has_exactly_the_documented_fields(county_api: CountyApi, system: System, database: Database) -> None:
    import notifier

    county_api.answers(answer(deed(FOLIO, "DOE JANE", "DOE JOHN"), balance=41))
    system.start_worker(QUEUE)
    found = notifier.lookup(FOLIO, system.subscriber())
    known = found.pop("property")
    assert found == {
        "source": "api",
        "age_days": 0,
        "total_records": 3,
        "units_consumed": 1,
        "remaining_balance": 41,
    }
    assert known["owner_name"] == "DOE JANE; DOE JOHN"
    assert (known["last_sale_date"], known["last_sale_price"]) == (date(2026, 1, 27), Decimal(210_000))
    assert known["last_transaction_type"] == "deed"
    assert logged(database) == [("success", 1, 41, 3)]
    assert database.connection.execute(
        "SELECT query_type, query_params, triggered_by FROM miami_dade_api_logs"
    ).fetchone() == ("FOLIO", {"FOLIO_NUMBER": FOLIO}, "subscriber_query")
    assert used(database) == 1


def test_a_folio_without_records_has_no_property(county_api: CountyApi, database: Database) -> None:
    from notifier.lookups import client

    county_api.answers(answer())
    answer_now()
    requested = client.request_lookup(FOLIO, None)
    assert requested.lookup_id is not None and not requested.is_new, (
        "answered a moment ago: the API is not called again"
    )
    found = client.result(requested.lookup_id)
    assert found is not None and (found["property"], found["total_records"], found["source"]) == (None, 0, "api")
    assert county_api.folios() == [FOLIO]


def test_one_row_instead_of_a_list_is_parsed(county_api: CountyApi, database: Database) -> None:
    body = answer(deed(FOLIO, "ONLY OLGA"))
    body["Status"] = "OK"
    body["OfficialRecordList"]["OfficialRecords"] = body["OfficialRecordList"]["OfficialRecords"][1]
    county_api.answers(body)
    answer_now()
    assert database.connection.execute("SELECT owner_name FROM properties").fetchall() == [("ONLY OLGA",)]


@pytest.mark.parametrize(
    "wrong", ["", "0131230450", "01312304506701", "0131230450x70", "0000000000000", "00-0000-000-0000", "٠١٣١٢٣٠٤٥٠٦٧٠"]
)
def test_a_malformed_folio_is_refused(county_api: CountyApi, wrong: str) -> None:
    import notifier
    from notifier.lookups.client import MalformedFolio

    with pytest.raises(MalformedFolio, match="13 digits"):
        notifier.lookup(wrong, 1)


def test_an_unknown_subscriber_is_refused(county_api: CountyApi) -> None:
    import notifier
    from notifier.core.errors import UnknownRecipient

    with pytest.raises(UnknownRecipient):
        notifier.lookup(FOLIO, 4711)


# ── shared API calls ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_twenty_lookups_of_one_folio_make_one_call(county_api: CountyApi, system: System, database: Database) -> None:
    import notifier

    user = system.subscriber()
    county_api.answers(answer(deed(FOLIO)), seconds=0.1)
    system.start_worker(QUEUE)
    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(lambda _: notifier.lookup(FOLIO, user), range(20)))
    assert {one["property"]["owner_name"] for one in found} == {"DOE JANE"}
    assert county_api.folios() == [FOLIO]
    assert used(database) == 1


def source_or_refusal(user: int, number: int) -> str:
    """Look up one of many parcels. Returns the source, or the code if the day's units are used up."""
    import notifier
    from notifier import LookupFailed

    try:
        return str(notifier.lookup(f"{3_000_000_000_000 + number}", user)["source"])
    except LookupFailed as error:
        assert error.retry_after is not None and 0 < error.retry_after <= 25 * 3600
        return error.code


def test_the_last_unit_is_spent_once(county_api: CountyApi, system: System, database: Database) -> None:
    user = system.subscriber()
    database.connection.execute("INSERT INTO api_unit_budget VALUES (new_york_day(now()), 499, 500)")

    system.start_worker(QUEUE)
    with ThreadPoolExecutor(30) as pool:
        ends = list(pool.map(partial(source_or_refusal, user), range(30)))
    assert sorted(ends) == ["api", *["unit_cap"] * 29]
    assert len(county_api.calls()) == 1
    assert used(database) == 500
    system.wait_until(county_api.alerts, "an alert")
    assert county_api.alerts() == ["[warning] The day's units of the county's API are used up"]


def test_one_subscriber_cannot_use_the_days_units_of_the_others(
    county_api: CountyApi, system: System, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    import notifier

    monkeypatch.setenv("MIAMI_DADE_DAILY_UNIT_CAP", "50")
    one, other = system.subscriber(tokens=0), system.subscriber(tokens=0)

    system.start_worker(QUEUE)
    with ThreadPoolExecutor(10) as pool:
        ends = list(pool.map(partial(source_or_refusal, one), range(50)))
    assert sorted(ends) == [*["api"] * 25, *["subscriber_unit_cap"] * 25]
    assert notifier.lookup(FOLIO, other)["source"] == "api"
    assert used(database) == len(county_api.calls()) == 26
    counted = "SELECT subscriber_id, used FROM subscriber_unit_budget ORDER BY 1"
    assert database.connection.execute(counted).fetchall() == [(one, 25), (other, 1)]
    assert county_api.alerts() == []


def test_a_call_that_cost_no_unit_does_not_count_for_its_subscriber(
    county_api: CountyApi, system: System, database: Database
) -> None:
    county_api.answers(answer(status="Failed", why="no such folio"))
    with suppress(Exception):
        answer_now(subscriber_id=system.subscriber())
    assert used(database) == 0
    assert database.connection.execute("SELECT used FROM subscriber_unit_budget").fetchall() == [(0,)]


def test_a_lower_setting_than_the_days_cap_binds(
    county_api: CountyApi, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.connection.execute("INSERT INTO api_unit_budget VALUES (new_york_day(now()), 7, 500)")
    monkeypatch.setenv("MIAMI_DADE_DAILY_UNIT_CAP", "7")
    answer_now()
    assert not county_api.calls()
    assert results() == [("failed", "unit_cap", 0)]


# ── failures ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_failed_status_in_the_body_costs_nothing_and_is_not_retried(
    county_api: CountyApi, database: Database
) -> None:
    from notifier import LookupFailed

    county_api.answers(answer(status="Failed", why="Invalid parameters", balance=77))
    with pytest.raises(LookupFailed, match="Invalid parameters"):
        answer_now()
    assert results() == [("failed", "county_failed", 1)]
    assert used(database) == 0
    assert logged(database) == [("county_failed", 0, 77, None)]


def test_an_api_that_refuses_every_lookup_alerts_on_call(county_api: CountyApi) -> None:
    from notifier import LookupFailed

    county_api.answers(answer(status="Failed", why="Invalid AuthKey"))
    with pytest.raises(LookupFailed):
        answer_now()
    assert county_api.alerts() == ["[critical] The county's API refuses every lookup"]


@pytest.mark.parametrize(
    ("fault", "code", "units"),
    [
        ({"status": 500}, "http_500", 1),
        ({"status": 503}, "http_503", 0),
        ({"status": 429, "headers": {"Retry-After": "1"}}, "http_429", 0),
        ({"then": "reset", "accept": True}, "no_answer", 1),
        ({"status": 200, "body": "<html>down for maintenance</html>"}, "not_json", 1),
    ],
)
def test_a_unit_counts_as_spent_only_when_the_outcome_is_unknown(
    county_api: CountyApi, database: Database, fault: dict[str, Any], code: str, units: int
) -> None:
    county_api.fault(**fault)
    with pytest.raises(Retry) as raised:
        answer_now()
    assert raised.value.delay == 20, "the delay in ms is a hundredth of 2 s"
    assert results() == [("queued", code, 1)]
    assert used(database) == units


def test_a_refused_connection_is_retried_and_costs_nothing(
    county_api: CountyApi, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIAMI_DADE_API_URL", "http://127.0.0.1:9/Developers/api")
    with pytest.raises(Retry):
        answer_now()
    assert used(database) == 0


def test_an_answer_that_arrives_too_slowly_is_abandoned(county_api: CountyApi, database: Database) -> None:
    county_api.fault(then="hang", seconds=8, accept=True)
    began = time.monotonic()
    with pytest.raises(Retry):
        answer_now()
    assert time.monotonic() - began < 4
    assert used(database) == 1


def test_retries_follow_the_table_and_end_in_one_failure(
    county_api: CountyApi, system: System, database: Database
) -> None:
    """The test shortens the delays of 2, 4 and 8 s to a tenth. The worker calls the API four times."""
    import notifier
    from notifier import LookupFailed

    user = system.subscriber()
    county_api.fault(status=500)
    system.start_worker(QUEUE, NOTIFIER_TIME_SCALE="0.1")
    with pytest.raises(LookupFailed, match="500"):
        notifier.lookup(FOLIO, user)
    moments = [call["at"] for call in county_api.calls()]
    waits = [later - earlier for earlier, later in pairwise(moments)]
    assert len(waits) == 3
    for wait, wanted in zip(waits, (0.2, 0.4, 0.8), strict=True):
        assert wanted <= wait < wanted + 2
    assert results() == [("failed", "http_500", 4)]
    assert used(database) == 4
    assert [row[0] for row in logged(database)] == ["http_500"] * 4


def test_a_second_attempt_succeeds(system: System, county_api: CountyApi, database: Database) -> None:
    import notifier

    county_api.fault(status=500, times=1)
    county_api.answers(answer(deed(FOLIO)))
    system.start_worker(QUEUE, NOTIFIER_TIME_SCALE="0.1")
    found = notifier.lookup(FOLIO, system.subscriber())
    assert (found["units_consumed"], len(county_api.calls())) == (2, 2)


def test_a_timeout_gives_an_id_to_ask_again(county_api: CountyApi, system: System, database: Database) -> None:
    import notifier
    from notifier import LookupPending
    from notifier.lookups import client

    county_api.answers(answer(deed(FOLIO)), seconds=1)
    system.start_worker(QUEUE)
    with pytest.raises(LookupPending) as raised:
        notifier.lookup(FOLIO, system.subscriber(), timeout=0.2)
    system.wait_until(lambda: client.result(raised.value.lookup_id), "an answer")
    assert (client.result(raised.value.lookup_id) or {})["property"]["owner_name"] == "DOE JANE"


def test_the_api_key_is_written_nowhere(
    system: System, county_api: CountyApi, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """The API key never appears in a worker's debug log, in an error or in the database."""
    import notifier
    from notifier import LookupFailed

    key = "11112222-key-of-the-county"
    user = system.subscriber()
    county_api.fault(then="reset", times=1)
    county_api.answers(answer(status="Failed", why=f"authKey {key} has expired"), times=1)
    system.start_worker(QUEUE, "-v", "-v", MIAMI_DADE_AUTH_KEY=key)
    with pytest.raises(LookupFailed) as raised:
        notifier.lookup(FOLIO, user)
    output = system.output()
    assert county_api.calls()[0]["query"]["authKey"] == key, "the API was called with the key"
    dump = " ".join(
        str(row)
        for table in ("lookups", "miami_dade_api_logs", "failed_jobs", "oncall_alerts")
        for row in database.connection.execute(f"SELECT * FROM {table}")
    )
    assert key not in output + str(raised.value) + dump + caplog.text


def test_a_lookup_without_an_answer_leaves_one_dead_letter(
    county_api: CountyApi, system: System, database: Database
) -> None:
    import notifier
    from notifier import LookupFailed

    county_api.answers(answer(status="Failed", why="Invalid parameters"), times=1)
    county_api.fault(status=500)
    system.start_worker(QUEUE)
    for folio in (FOLIO, "3000000000001"):
        with pytest.raises(LookupFailed):
            notifier.lookup(folio, system.subscriber())
    dead = "SELECT job_name, retry_count FROM failed_jobs ORDER BY id"
    system.wait_until(lambda: len(system.rows(dead)) == 2, "two dead letters")
    assert system.rows(dead) == [("property_lookup", 0), ("property_lookup", 3)]


# ── the unit balance ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_each_crossing_of_a_level_alerts_once(county_api: CountyApi) -> None:
    for number, balance in enumerate((1001, 1000, 999, 998, 1000, 997, 499, 498, 5000, 999)):
        county_api.answers(answer(balance=balance), times=1)
        answer_now(f"{3_000_000_000_000 + number}")
    alerts = county_api.alerts()
    assert alerts == [
        "[warning] Fewer than 1000 units of the county's API are left",
        "[critical] Fewer than 500 units of the county's API are left",
        "[warning] Fewer than 1000 units of the county's API are left",
    ]


# ── tokens ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def priced(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setenv("LOOKUP_TOKENS", "3")
    return 3


def entries(database: Database) -> list[tuple[Any, ...]]:
    return database.connection.execute(
        "SELECT entry, tokens FROM token_entries WHERE entry <> 'grant' ORDER BY id"
    ).fetchall()


def balance(database: Database, user: int) -> tuple[int, int]:
    """Return the user's token balance and the sum of the user's ledger entries."""
    row = database.connection.execute(
        "SELECT token_balance, by_entries FROM token_balances WHERE user_id = %s", (user,)
    ).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def test_a_priced_lookup_is_settled_when_answered(
    county_api: CountyApi, system: System, database: Database, priced: int
) -> None:
    user = system.subscriber(tokens=10)
    county_api.answers(answer(deed(FOLIO)))
    answer_now(subscriber_id=user)
    assert entries(database) == [("hold", 3), ("settle", 3)]
    assert balance(database, user) == (7, 7)
    (property_id,) = database.connection.execute("SELECT id FROM properties").fetchall()[0]
    assert database.connection.execute(
        "SELECT user_id, action_type, tokens_used, entity_id, entity_type FROM token_usage_logs"
    ).fetchall() == [(user, "property_lookup", 3, property_id, "property")]


def test_a_failed_lookup_is_released(county_api: CountyApi, system: System, database: Database, priced: int) -> None:
    from notifier import LookupFailed

    user = system.subscriber(tokens=10)
    county_api.answers(answer(status="Failed", why="no"))
    with pytest.raises(LookupFailed):
        answer_now(subscriber_id=user)
    assert entries(database) == [("hold", 3), ("release", 3)]
    assert balance(database, user) == (10, 10)


def test_a_small_balance_makes_no_call(county_api: CountyApi, system: System, database: Database, priced: int) -> None:
    import notifier
    from notifier import LookupFailed

    with pytest.raises(LookupFailed) as raised:
        notifier.lookup(FOLIO, system.subscriber(tokens=2))
    assert raised.value.code == "insufficient_tokens"
    assert not results() and not entries(database) and not county_api.calls()


def test_a_cached_answer_and_a_joined_lookup_cost_nothing(
    county_api: CountyApi, system: System, database: Database, priced: int
) -> None:
    from notifier.lookups import client

    first, second = system.subscriber(tokens=10), county_api.system.subscriber(tokens=10)
    assert client.request_lookup(FOLIO, first).is_new
    assert not client.request_lookup(FOLIO, second).is_new
    property_known(database, timedelta(days=1))
    assert client.request_lookup(FOLIO, second).answer
    assert balance(database, second) == (10, 10)
    assert balance(database, first) == (7, 7)
