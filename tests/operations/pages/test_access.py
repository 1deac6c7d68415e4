"""Every route of the pages refuses the anonymous; viewers read; operators and administrators act."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from starlette.routing import Mount

from operations.pages.access import READING_POSTS, TOKEN_HEADER
from operations.pages.app import METHODS, create_app
from tests.operations.pages.conftest import ROLES, Pages

ACTING = {"op", "admin"}


def routes() -> Iterator[tuple[str, str]]:
    """Yield every path of the application, filled with an id, and every method that the path answers."""
    for route in create_app().routes:
        assert isinstance(route, APIRoute), f"{route} is not a route that depends on check_access"
        path = re.sub(r"\{[^}]+\}", "1", route.path)
        for method in sorted(route.methods):
            yield method, path.lstrip("/")


DOCUMENTS = {(method, path) for method in METHODS for path in ("openapi.json", "docs", "redoc")}
ROUTES = sorted({*routes(), *DOCUMENTS})


def test_the_application_has_only_routes_that_check_access() -> None:
    app = create_app()
    assert not [route for route in app.routes if isinstance(route, Mount)]
    assert {"", "assets/1"} <= {path for _, path in ROUTES}
    assert app.openapi_url is None


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_each_route_answers_only_those_who_may(pages: Pages, method: str, path: str) -> None:
    assert pages.anonymous.request(method, path).status_code == 401
    acts = method not in ("GET", "HEAD") and path not in READING_POSTS
    for role in ROLES:
        status = getattr(pages, role).request(method, path).status_code
        if acts and role not in ACTING:
            assert status == 403, role
        else:
            assert status not in (401, 403) and status < 500, (role, status)


def acting_requests(client: TestClient, **headers: str) -> int:
    return client.post("no-such-action", headers=headers).status_code


@pytest.mark.parametrize(
    "headers",
    [
        {TOKEN_HEADER: ""},
        {TOKEN_HEADER: "0" * 64},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_an_action_does_not_survive_a_request_from_another_site(pages: Pages, headers: dict[str, str]) -> None:
    assert acting_requests(pages.op) == 404
    assert acting_requests(pages.op, **headers) == 403


def test_an_action_behind_a_proxy_comes_from_the_address_that_airflow_knows(
    pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert acting_requests(pages.op, Origin="https://airflow.example") == 403
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example/")
    assert acting_requests(pages.op, Origin="https://airflow.example") == 404


@pytest.mark.parametrize("path", ["queues/email-workflows/pause", "queues/search", "x/operations/search", "search/"])
def test_only_the_search_itself_may_be_posted_by_viewers(pages: Pages, path: str) -> None:
    assert pages.viewer.post(path, data={"reason": "x"}).status_code == 403


def test_a_token_belongs_to_one_user(pages: Pages) -> None:
    assert acting_requests(pages.admin, **{TOKEN_HEADER: pages.op.headers[TOKEN_HEADER]}) == 403


def test_a_script_with_a_bearer_token_needs_no_form_token(pages: Pages) -> None:
    bearer = {"Authorization": f"Bearer {pages.op.cookies['_token']}", TOKEN_HEADER: ""}
    pages.op.cookies.clear()
    assert acting_requests(pages.op, **bearer) == 404


def test_an_invalid_session_is_refused(pages: Pages) -> None:
    pages.op.cookies.set("_token", "forged")
    assert pages.op.get("").status_code in (401, 403)


def test_whoever_is_not_logged_in_gets_a_link_to_the_login(pages: Pages) -> None:
    answer = pages.anonymous.get("?range=week")
    assert answer.status_code == 401
    assert "/auth/login?next=http" in answer.text


@pytest.mark.parametrize("path", ["", "?range=week", "assets/pages.css", "assets/nothing.js", "nothing"])
def test_each_answer_forbids_foreign_code_and_frames(pages: Pages, path: str) -> None:
    policy = pages.viewer.get(path).headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy and "http" not in policy
    assert "frame-ancestors 'self'" in policy


def test_a_page_contains_no_inline_code_and_no_foreign_address(pages: Pages) -> None:
    text = pages.viewer.get("").text
    assert not re.search(r"<script(?![^>]* src=)|<style|\son\w+=|\sstyle=|javascript:", text)
    assert not re.search(r"""(?:src|href|action)=["'](?:https?:)?//""", text)


def test_a_body_that_no_form_has_is_refused_before_it_is_read(pages: Pages) -> None:
    assert pages.viewer.post("search", data={"q": "x" * (1 << 20)}).status_code == 413
    assert pages.viewer.post("search", content=(b"q=x" for _ in range(3))).status_code == 411
    assert pages.anonymous.post("search", data={"q": "x"}).status_code == 401
