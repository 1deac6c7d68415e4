"""Who may open the operators' pages, with each of Airflow's auth managers and a real api-server."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from operations.pages.access import READING_POSTS
from tests.operations.pages.test_access import ROUTES
from tests.servers.airflow_pages import ROLES, ServedPages, served_pages

pytestmark = pytest.mark.drill


@pytest.fixture(scope="module", params=["simple", "fab"])
def pages(request: pytest.FixtureRequest) -> Iterator[ServedPages]:
    with served_pages(is_fab=request.param == "fab") as running:
        yield running


def status(pages: ServedPages, method: str, path: str, headers: dict[str, str]) -> int:
    request = urllib.request.Request(f"{pages.url}/operations/{path}", method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_each_route_answers_only_those_who_may(pages: ServedPages) -> None:
    wrong = []
    for method, path in ROUTES:
        acts = method not in ("GET", "HEAD") and path not in READING_POSTS
        found = {"anonymous": status(pages, method, path, {})}
        for role in ROLES:
            found[role] = status(pages, method, path, {"Authorization": f"Bearer {pages.tokens[role]}"})
        allowed = [role for role in ROLES if not acts or role != "viewer"]
        refused = [role for role in ROLES if role not in allowed]
        if (
            found["anonymous"] != 401
            or any(found[role] != 403 for role in refused)
            or any(found[role] in (401, 403) or found[role] >= 500 for role in allowed)
        ):
            wrong.append((method, path, found))
    assert wrong == []


def test_an_action_with_the_sessions_cookie_alone_is_refused(pages: ServedPages) -> None:
    cookie = {"Cookie": f"_token={pages.tokens['op']}"}
    assert status(pages, "GET", "", cookie) == 200
    assert status(pages, "POST", "queues/email-workflows/pause", cookie) == 403
    foreign = cookie | {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert status(pages, "POST", "queues/email-workflows/pause", foreign) == 403


def test_the_navigation_has_an_entry_for_whoever_may_read(pages: ServedPages) -> None:
    request = urllib.request.Request(
        f"{pages.url}/api/v2/plugins", headers={"Authorization": f"Bearer {pages.tokens['admin']}"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert b'"category":"browse"' in answer.read().replace(b" ", b"")
