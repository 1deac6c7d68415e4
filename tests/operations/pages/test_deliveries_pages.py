"""The list of deliveries shows what the address asks for, masks personal data, and survives hostile data."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
import re
from typing import Any

import pytest
from fastapi.testclient import TestClient
from starlette.requests import ClientDisconnect

from operations.pages import deliveries as deliveries_page
from operations.pages.delivery_filter import DeliveryFilter
from tests.hostile import HOSTILE_TEXTS
from tests.operations.pages.conftest import Pages

SCRIPT = "<script>alert(1)</script>"


def insert(pages: Pages, **values: Any) -> int:
    number = pages.rows.one("SELECT count(*) FROM deliveries")
    defaults = {"channel": "email", "kind": "new_lead_alert", "dedupe_key": f"k{number}"}
    return pages.rows.insert("deliveries", **defaults | values)


def listed(client: TestClient, query: str = "") -> list[int]:
    """Return the ids of the deliveries that the list shows."""
    page = client.get(f"deliveries{query}")
    assert page.status_code == 200, page.text
    return [int(found) for found in re.findall(r'<tr id="delivery-(\d+)"', page.text)]


def link(text: str, name: str) -> str:
    """Return the query string of a link with this name."""
    (found,) = re.findall(rf'href="/operations/deliveries(\??[^"]*)"[^>]*>{name}</a>', text)
    return str(found).replace("&amp;", "&")


def test_the_list_shows_the_newest_first_with_links_and_masked_recipients(pages: Pages) -> None:
    ana = pages.rows.user(email="ana.garcia@example.com")
    place = pages.rows.insert("properties", folio_number="3040210000010")
    lead = pages.rows.lead(property_id=place)
    first = insert(pages, subscriber_id=ana, lead_id=lead, recipient="ana.garcia@example.com", state="delivered")
    second = insert(
        pages,
        channel="sms",
        kind="urgent_lead_sms",
        recipient="+13055550107",
        state="failed",
        error_code="21211",
        error_message="The number +13055550107 is not valid",
    )
    assert listed(pages.viewer) == [second, first]
    text = pages.viewer.get("deliveries").text
    for shown in (
        "a…@example.com",
        "+1 305 ••• ••07",
        "21211",
        "The number +*** is not valid",
        "2</small>",
        f'href="/operations/subscribers/{ana}"',
        f'href="/operations/deliveries?lead={lead}"',
        'href="/operations/deliveries?folio=3040210000010"',
        'href="/operations/deliveries?code=21211"',
    ):
        assert shown in text, shown
    assert "ana.garcia" not in text and "3055550107" not in text


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?queue=email-workflows", [0, 1]),
        ("?kind=urgent_lead_sms", [2]),
        ("?state=queued", [0]),
        ("?state=failed,queued", [0, 2]),
        ("?code=21211", [2]),
        ("?q=no+route", [2]),
        ("?since=2100-01-01", []),
        ("?waiting=1h", [0]),
        ("?lead=7", []),
        ("?folio=30-4021-000-0010", []),
        ("?subscriber=999", []),
        ("?when=later", []),
        ("?when=due", [0]),
    ],
)
def test_each_field_of_the_address_filters(pages: Pages, query: str, expected: list[int]) -> None:
    ids = [
        insert(pages, due_at="2020-01-01", not_before="2020-01-01"),
        insert(pages, state="delivered"),
        insert(
            pages, channel="sms", kind="urgent_lead_sms", state="failed", error_code="21211", error_message="no route"
        ),
    ]
    assert sorted(listed(pages.viewer, query)) == [ids[one] for one in expected]


def test_the_form_and_the_links_keep_the_whole_view(pages: Pages) -> None:
    for _ in range(51):
        insert(pages, state="failed", error_code="a&b")
    text = pages.viewer.get("deliveries?state=failed&code=a%26b&queue=email-workflows").text
    older = link(text, "Older")
    for part in ("queue=email-workflows", "state=failed", "code=a%26b", "before="):
        assert part in older
    assert 'value="a&amp;b"' in text and '<option value="failed" selected>' in text
    csv_link = re.search(r'href="/operations/deliveries\.csv\?([^"]*)"', text)
    assert csv_link is not None and "code=a%26b" in csv_link[1]
    assert "state=queued,unknown,sending" in link(text, "Waiting") and "code=a%26b" in link(text, "Waiting")


def test_pages_lead_back_and_forth_without_gaps(pages: Pages) -> None:
    ids = [insert(pages) for _ in range(120)][::-1]
    first = pages.viewer.get("deliveries").text
    older = link(first, "Older")
    assert listed(pages.viewer) == ids[:50] and "Newer" not in first
    assert listed(pages.viewer, older) == ids[50:100]
    last = link(pages.viewer.get(f"deliveries{older}").text, "Older")
    assert listed(pages.viewer, last) == ids[100:]
    newer = link(pages.viewer.get(f"deliveries{last}").text, "Newer")
    assert listed(pages.viewer, newer) == ids[50:100]


def test_the_number_of_matches_is_counted_only_so_far(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(4):
        insert(pages)
    assert "<small>4</small>" in pages.viewer.get("deliveries").text
    monkeypatch.setattr(deliveries_page, "MOST_COUNTED", 3)
    assert "<small>more than 3</small>" in pages.viewer.get("deliveries").text


def test_only_those_who_may_act_can_select(pages: Pages) -> None:
    one = insert(pages)
    assert f'data-select value="{one}"' in pages.op.get("deliveries").text
    assert "data-select" not in pages.viewer.get("deliveries").text


def test_hostile_data_stays_text(pages: Pages) -> None:
    user = pages.rows.user(email=f"{SCRIPT}@example.com")
    insert(pages, subscriber_id=user, state="failed", error_code=SCRIPT, error_message=SCRIPT, recipient=SCRIPT)
    text = pages.op.get("deliveries").text
    assert "<script>alert" not in text and "&lt;script&gt;alert(1)&lt;/script&gt;" in text


@pytest.mark.parametrize(
    "query",
    [
        "?queue=x",
        "?state=x",
        "?subscriber=x",
        "?lead=-1",
        "?subscriber=9223372036854775808",
        "?folio=1",
        "?since=x",
        "?until=2026-13-01",
        "?waiting=x",
        "?before=x",
        "?after=99999999999999999999",
        "?when=x",
        "?q=%00",
        f"?q={'x' * 300}",
    ],
)
def test_an_impossible_value_is_refused_in_words(pages: Pages, query: str) -> None:
    name = query[1:].partition("=")[0]
    for path in ("deliveries", "deliveries.csv"):
        if path == "deliveries.csv" and name in ("before", "after"):
            continue
        answer = pages.viewer.get(f"{path}{query}")
        assert answer.status_code == 400 and name in answer.text, answer.text


def test_no_value_in_the_address_breaks_the_page(pages: Pages) -> None:
    insert(pages)
    for text in HOSTILE_TEXTS:
        if len(text) < 2_000:
            for name in ("q", "code", "kind", "waiting"):
                assert pages.viewer.get("deliveries", params={name: text}).status_code in (200, 400), (name, text)


def test_an_empty_list_says_what_to_do(pages: Pages) -> None:
    assert "Nothing was ever enqueued" in pages.viewer.get("deliveries").text
    assert "Remove a field of the filter" in pages.viewer.get("deliveries?state=dead").text


def test_csv_contains_all_matches_with_masked_addresses_and_no_formulas(pages: Pages) -> None:
    ids = [insert(pages, state="failed", error_code="=1+1", recipient="ana.garcia@example.com") for _ in range(60)]
    insert(pages, state="delivered")
    answer = pages.viewer.get("deliveries.csv?state=failed")
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/csv")
    assert re.fullmatch(
        r'attachment; filename="deliveries-\d{4}-\d\d-\d\d\.csv"', answer.headers["content-disposition"]
    )
    lines = list(csv.DictReader(io.StringIO(answer.text)))
    assert sorted(int(line["id"]) for line in lines) == ids
    assert {line["code"] for line in lines} == {"'=1+1"} and "ana.garcia" not in answer.text


def test_exports_leave_connections_for_the_pages(pages: Pages) -> None:
    insert(pages)
    for _ in range(3):  # each export gives its place back
        assert pages.viewer.get("deliveries.csv").status_code == 200
    while deliveries_page._exports.acquire(blocking=False):
        pass
    try:
        assert pages.viewer.get("deliveries.csv").status_code == 503
    finally:
        for _ in range(2):
            deliveries_page._exports.release()


def test_an_export_that_nobody_reads_gives_its_place_back(pages: Pages) -> None:
    insert(pages)

    async def leave(message: object) -> None:
        raise OSError("the browser has gone")

    async def nothing() -> dict[str, object]:
        return {"type": "http.disconnect"}

    for _ in range(3):
        deliveries_page._exports.acquire(timeout=1)
        answer = deliveries_page._Export(deliveries_page._export(DeliveryFilter()))
        with contextlib.suppress(OSError, ClientDisconnect):
            asyncio.run(answer({"type": "http", "asgi": {"spec_version": "2.4"}}, nothing, leave))
    assert deliveries_page._exports.acquire(blocking=False)
    deliveries_page._exports.release()
