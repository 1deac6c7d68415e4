"""The search box finds the page for what was typed, and no address of a page contains personal data."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi.testclient import TestClient

from tests.hostile import HOSTILE_TEXTS
from tests.operations.pages.conftest import Pages


def search(client: TestClient, text: str) -> Any:
    """Return the address to which a search leads, below the application's address, or its notice."""
    answer = client.post("search", data={"q": text})
    assert answer.status_code == 204, answer.text
    if "HX-Redirect" in answer.headers:
        target = urlsplit(answer.headers["HX-Redirect"])
        assert target.path.startswith("/operations/")
        return target.path.removeprefix("/operations/"), {
            name: value for name, (value,) in parse_qs(target.query).items()
        }
    return json.loads(answer.headers["HX-Trigger"])["operations:done"]


def delivery(pages: Pages, **values: Any) -> int:
    defaults = {"channel": "sms", "kind": "urgent_lead_sms", "dedupe_key": "k1"}
    return pages.rows.insert("deliveries", **defaults | values)


def test_the_id_of_a_delivery_leads_to_its_page(pages: Pages) -> None:
    one = delivery(pages)
    assert search(pages.viewer, str(one)) == (f"deliveries/{one}", {})
    assert search(pages.viewer, f"  #{one} ") == (f"deliveries/{one}", {})


def test_an_address_leads_to_its_subscriber(pages: Pages) -> None:
    ana = pages.rows.user(email="Ana.Garcia@example.com", phone_number="+13055550107")
    found = ("deliveries", {"subscriber": str(ana)})
    for text in ("ana.garcia@example.com", " ANA.GARCIA@EXAMPLE.COM", "+13055550107", "(305) 555-0107", "3055550107"):
        assert search(pages.viewer, text) == found, text


def test_a_number_leads_to_the_lead_with_the_latest_delivery(pages: Pages) -> None:
    leads = [pages.rows.lead(phone_number="+13055550133", source_reference=str(n)) for n in range(3)]
    assert search(pages.viewer, "305-555-0133") == ("deliveries", {"lead": str(leads[2])})
    delivery(pages, lead_id=leads[1])
    assert search(pages.viewer, "305-555-0133") == ("deliveries", {"lead": str(leads[1])})


def test_a_number_that_was_changed_still_leads_to_its_deliveries(pages: Pages) -> None:
    ana, lead = pages.rows.user(phone_number="+13055550199"), pages.rows.lead(phone_number=None)
    delivery(pages, subscriber_id=ana, recipient="+13055550101")
    delivery(pages, channel="voice", kind="outbound_call", lead_id=lead, recipient="+13055550102", dedupe_key="k2")
    assert search(pages.viewer, "+13055550101") == ("deliveries", {"subscriber": str(ana)})
    assert search(pages.viewer, "+13055550102") == ("deliveries", {"lead": str(lead)})


def test_a_folio_and_any_other_text_become_filters(pages: Pages) -> None:
    assert search(pages.viewer, "30-4021-000-0010") == ("deliveries", {"folio": "3040210000010"})
    for text in (
        "SM0123456789abcdef0123456789abcdef",
        "lead:12:user:9:new_lead_alert",
        "no route & more",
        "4711",
        "ñandú",
    ):
        assert search(pages.viewer, text) == ("deliveries", {"q": text})


def test_a_text_that_is_too_short_gets_a_notice(pages: Pages) -> None:
    for text in ("ab", "a b c", "%%%"):
        assert search(pages.viewer, text) == "Type at least three letters or digits in a row."
    assert search(pages.viewer, "12") == ("deliveries", {"q": "12"})


def test_an_unknown_address_gets_a_notice(pages: Pages) -> None:
    for text in ("nobody@example.com", "+1 305 555 0100", "3055550100"):
        assert search(pages.viewer, text) == "No subscriber or lead has this address."


@pytest.mark.parametrize(
    "text",
    [
        "bounce ana@example.com",
        "ana@",
        "@example.com",
        "no answer from +1 305 555 0107",
        "call (305) 555-0107 failed",
        "to 3055550107 failed",
        "to 305.555.0107",
        "+442071838750 x",
    ],
)
def test_a_text_with_personal_data_never_becomes_an_address(pages: Pages, text: str) -> None:
    pages.rows.user(email="ana@example.com", phone_number="+13055550107")
    assert isinstance(search(pages.viewer, text), str)


def test_no_text_breaks_the_search(pages: Pages) -> None:
    for text in [*HOSTILE_TEXTS, "\0", "1\0", "\ufffe", "x" * 100_000]:
        search(pages.viewer, text)
    assert pages.viewer.post("search", data={"q": "x" * 10_000_000}).status_code in (204, 400, 413)
    assert search(pages.viewer, "") == search(pages.viewer, " \0 ")
    assert pages.viewer.post("search").status_code == 204


def test_only_our_own_pages_can_search(pages: Pages) -> None:
    assert pages.viewer.post("search", data={"q": "1"}, headers={"X-CSRF-Token": ""}).status_code == 403
    assert pages.viewer.post("search", data={"q": "1"}, headers={"Origin": "https://evil.example"}).status_code == 403
