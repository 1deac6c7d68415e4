"""Opening an unsubscribe link changes nothing. The page's button unsubscribes the subscriber.

A forged link unsubscribes nobody.
"""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.servers.postgres import Database


@pytest.fixture
def subscriber(database: Database) -> int:
    row = database.connection.execute(
        "INSERT INTO users (email, subscription_status) VALUES ('Jane.Doe@Example.test', 'active') RETURNING id"
    ).fetchone()
    assert row is not None
    return int(row[0])


@pytest.fixture
def link(web: httpx.Client, subscriber: int) -> str:
    """Return the path of an e-mail's unsubscribe link, without the public address, for use with the test's service."""
    from notifier.messages.links import unsubscribe_url

    return unsubscribe_url(subscriber).removeprefix("https://hooks.example.test")


def suppressed(database: Database) -> list[Any]:
    return database.connection.execute("SELECT channel, address, reason FROM suppressions").fetchall()


def test_a_link_scanner_unsubscribes_nobody(web: httpx.Client, link: str, database: Database) -> None:
    answer = web.get(link)
    assert answer.status_code == 200
    assert '<form method="post">' in answer.text
    assert suppressed(database) == []


@pytest.mark.parametrize("body", [{}, {"List-Unsubscribe": "One-Click"}], ids=["the button", "a mail program"])
def test_posting_suppresses_the_address_once(
    web: httpx.Client, link: str, database: Database, body: dict[str, str]
) -> None:
    for _ in range(2):
        answer = web.post(link, data=body)
        assert answer.status_code == 200
    assert "You are unsubscribed" in answer.text
    assert suppressed(database) == [("email", "jane.doe@example.test", "unsubscribe")]
    assert "You are unsubscribed" in web.get(link).text


def test_a_forged_or_malformed_link_is_explained(
    web: httpx.Client, link: str, subscriber: int, database: Database
) -> None:
    mark = link.rpartition(".")[2]
    tokens = [f"{subscriber + 1}.{mark}", f"{subscriber}.{mark[:-1]}", f"{subscriber}.", f"{subscriber}", "", "."]
    tokens += [f"-{subscriber}.{mark}", f"{'9' * 40}.{mark}", f"\u0663.{mark}", f"{subscriber}.{mark}\0", "\U0001f600"]
    for token in tokens:
        for method in ("GET", "POST"):
            answer = web.request(method, "/unsubscribe", params={"token": token})
            assert (answer.status_code, "This link does not work" in answer.text) == (404, True), token
    assert web.get("/unsubscribe").status_code == 404
    assert suppressed(database) == []


def test_the_page_masks_the_address_and_loads_nothing_from_elsewhere(web: httpx.Client, link: str) -> None:
    answer = web.get(link)
    assert "jane.doe" not in answer.text.lower()
    assert "J…@Example.test" in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "src=" not in answer.text and "<link" not in answer.text and "<script" not in answer.text
    assert answer.headers["referrer-policy"] == "no-referrer"
