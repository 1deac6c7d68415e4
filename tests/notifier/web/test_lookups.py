"""The app requests lookups over HTTP. Each outcome has its own HTTP status."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from local.settings import Sandbox
from notifier.messages.links import signed_id
from tests.notifier.county_api import CountyApi, answer, deed
from tests.notifier.system import System
from tests.notifier.web.conftest import APP_TOKEN
from tests.servers.postgres import Database

FOLIO = "0131230450670"
LANE = "api-property-lookup"
PATH = "/api/properties/lookup"


@pytest.fixture
def county_api(
    settings_of_web: pytest.MonkeyPatch, database: Database, redis_url: str, sandbox: Sandbox, tmp_path: Path
) -> Iterator[CountyApi]:

    settings_of_web.setenv("MIAMI_DADE_API_URL", f"{sandbox.url}/Developers/api")
    settings_of_web.setenv("MIAMI_DADE_AUTH_KEY", "key-of-the-county")
    system = System(database, redis_url, sandbox, tmp_path)
    yield CountyApi(system)
    system.stop()


@pytest.fixture
def app(web: httpx.Client) -> httpx.Client:
    """Return an HTTP client for the service that sends the app's token."""
    web.headers["Authorization"] = f"Bearer {APP_TOKEN}"
    return web


def request_lookup(app: httpx.Client, user: int, folio: str = FOLIO, **options: float) -> httpx.Response:
    return app.post(PATH, json={"folio_number": folio, "subscriber_id": user, **options})


def test_a_lookup_needs_the_token(county_api: CountyApi, web: httpx.Client) -> None:
    for headers in ({}, {"Authorization": "Bearer of-somebody-else"}):
        assert web.post(PATH, json={"folio_number": FOLIO, "subscriber_id": 1}, headers=headers).status_code == 401
        assert web.get(f"{PATH}/1", headers=headers).status_code == 401


@pytest.mark.parametrize("folio", ["", "123", "0000000000000", "01-3123-045-067x"])
def test_a_malformed_folio_is_a_422(county_api: CountyApi, app: httpx.Client, folio: str) -> None:
    response = request_lookup(app, 1, folio)
    assert response.status_code == 422 and "13 digits" in response.json()["detail"]


def test_an_unknown_subscriber_is_a_422(county_api: CountyApi, app: httpx.Client) -> None:
    assert request_lookup(app, 4711).status_code == 422


def test_an_answer_is_a_200_and_the_next_one_is_cached(county_api: CountyApi, app: httpx.Client) -> None:
    county_api.answers(answer(deed(FOLIO), balance=41))
    county_api.system.start_worker(LANE)
    user = county_api.system.subscriber()
    response = request_lookup(app, user, "01-3123-045-0670")
    assert response.status_code == 200, response.text
    assert (response.json()["source"], response.json()["remaining_balance"]) == ("api", 41)
    assert response.json()["property"]["last_sale_date"] == "2026-01-27"
    assert request_lookup(app, user).json()["source"] == "cached"
    assert county_api.folios() == [FOLIO]


def test_a_slow_answer_is_a_202_with_its_status_url(county_api: CountyApi, app: httpx.Client) -> None:
    county_api.answers(answer(deed(FOLIO)), seconds=1)
    county_api.system.start_worker(LANE)
    response = request_lookup(app, county_api.system.subscriber(), timeout=0.1)
    assert response.status_code == 202
    place = response.json()["status_url"]
    assert app.get(place).status_code == 202
    county_api.system.wait_until(lambda: app.get(place).status_code == 200, "an answer")
    assert app.get(place).json()["property"]["owner_name"] == "DOE JANE"


def test_the_id_of_a_lookup_cannot_be_guessed(county_api: CountyApi, app: httpx.Client) -> None:
    body = request_lookup(app, county_api.system.subscriber(), timeout=0).json()
    number, _, mark = body["id"].partition(".")
    assert app.get(f"{PATH}/{body['id']}").status_code == 202
    request_lookup(app, county_api.system.subscriber(), "0131230450671", timeout=0)
    other = county_api.system.value("SELECT max(id) FROM lookups")
    assert str(other) != number
    for guess in (number, str(other), f"{other}.{mark}", f"{number}.{'0' * 32}", signed_id("unsubscribe", int(number))):
        assert app.get(f"{PATH}/{guess}").status_code == 404, guess


def test_fifty_waiting_callers_delay_no_other(county_api: CountyApi, app: httpx.Client) -> None:
    """Without a worker, fifty requests wait for an answer.

    Meanwhile, the service still returns a cached answer at once.
    """
    user = county_api.system.subscriber()
    county_api.system.insert("properties", {"folio_number": FOLIO, "owner_name": "DOE JANE", "last_updated": "now"})
    with ThreadPoolExecutor(50) as pool:
        waiting = [pool.submit(request_lookup, app, user, f"{3_000_000_000_000 + n}", timeout=3) for n in range(50)]
        assert request_lookup(app, user).elapsed.total_seconds() < 2
        assert {one.result().status_code for one in waiting} == {202}


def test_used_units_are_a_429_until_midnight(
    county_api: CountyApi, app: httpx.Client, settings_of_web: pytest.MonkeyPatch
) -> None:
    county_api.system.start_worker(LANE, MIAMI_DADE_DAILY_UNIT_CAP="0")
    response = request_lookup(app, county_api.system.subscriber())
    assert response.status_code == 429
    assert 0 < int(response.headers["Retry-After"]) <= 25 * 3600


def test_a_failure_of_the_county_is_a_502(county_api: CountyApi, app: httpx.Client) -> None:
    county_api.answers(answer(status="Failed", why="Invalid parameters"))
    county_api.system.start_worker(LANE)
    response = request_lookup(app, county_api.system.subscriber())
    assert (response.status_code, response.json()["code"]) == (502, "county_failed")


def test_a_pause_is_a_202_and_then_a_503(county_api: CountyApi, app: httpx.Client) -> None:
    county_api.system.rows("SELECT pause_queue(%s, 'cli:pat', 'maintenance')", LANE)
    county_api.system.start_worker(LANE)
    response = request_lookup(app, county_api.system.subscriber(), timeout=0.1)
    assert response.status_code == 202
    county_api.system.rows("UPDATE lookups SET expires_at = now() RETURNING id")
    place = response.json()["status_url"]
    county_api.system.wait_until(lambda: app.get(place).status_code != 202, "the lookup to fail")
    assert (app.get(place).status_code, app.get(place).json()["code"]) == (503, "queue_paused")
    assert county_api.calls() == []


def test_a_small_balance_is_a_402(
    county_api: CountyApi, app: httpx.Client, settings_of_web: pytest.MonkeyPatch
) -> None:
    settings_of_web.setenv("LOOKUP_TOKENS", "3")
    assert request_lookup(app, county_api.system.subscriber(tokens=2)).status_code == 402


def test_an_unknown_lookup_is_a_404(county_api: CountyApi, app: httpx.Client) -> None:
    assert app.get(f"{PATH}/4711").status_code == 404
