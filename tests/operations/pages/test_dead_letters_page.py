"""The page Dead letters: causes, filters, pages, and what belongs to a dead letter."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime

import pytest

from county.feeds import FEEDS
from tests.hostile import HOSTILE_TEXTS
from tests.operations.pages.acting import act, dead_letter, delivery
from tests.operations.pages.conftest import Pages


def shown(pages: Pages, query: str = "") -> list[int]:
    """Return the ids of the dead letters that a page lists."""
    answer = pages.viewer.get(f"dead-letters{query}")
    assert answer.status_code == 200, answer.text
    return [int(one) for one in re.findall(r'<tr id="dead-letter-(\d+)"', answer.text)]


def causes(pages: Pages, query: str = "") -> list[tuple[str, str]]:
    """Return the causes and the addresses behind them."""
    text = pages.viewer.get(f"dead-letters{query}").text
    found = re.findall(r'<tr id="cause-[^>]*>\s*<td class="cause"><a href="([^"]*)">([^<]*)</a>', text)
    return [(html.unescape(cause), html.unescape(link).partition("/dead-letters")[2]) for link, cause in found]


def test_causes_lead_to_exactly_their_dead_letters(pages: Pages) -> None:
    refused = [dead_letter(pages.rows, job_data={"code": "503"}) for _ in range(3)]
    other_job = dead_letter(pages.rows, job_data={"code": "503"}, job_name="daily_digest")
    unknown = [dead_letter(pages.rows, error_message=f"no row {n} of 9") for n in (7, 8)]
    closed = dead_letter(pages.rows, job_data={"code": "503"}, state="dismissed")
    found = causes(pages)
    assert [len(shown(pages, link)) for _, link in found] == [3, 2, 1]
    assert sorted(one for _, link in found for one in shown(pages, link)) == sorted([*refused, other_job, *unknown])
    assert closed in shown(pages, "?state=all&code=503")


def test_open_dead_letters_are_shown_unless_another_state_is_asked_for(pages: Pages) -> None:
    ids = {state: dead_letter(pages.rows, state=state) for state in ("open", "replayed", "dismissed")}
    assert shown(pages) == [ids["open"]]
    assert shown(pages, "?state=replayed") == [ids["replayed"]]
    assert shown(pages, "?state=replayed,dismissed") == [ids["dismissed"], ids["replayed"]]
    assert shown(pages, "?state=all") == sorted(ids.values(), reverse=True)


def test_filters_find_exactly_their_dead_letters(pages: Pages) -> None:
    run = dead_letter(
        pages.rows, queue_name="daily-ftp-ingestion", job_name="daily_ingestion", error_message="Cases.exp is empty"
    )
    sms = dead_letter(
        pages.rows, queue_name="sms-notifications", job_name="urgent_lead_sms", job_data={"code": "21211"},
        failed_at=datetime(2026, 1, 5, 3, tzinfo=UTC),
    )  # fmt: skip
    assert shown(pages, "?queue=daily-ftp-ingestion") == [run]
    assert shown(pages, "?job=urgent_lead_sms") == shown(pages, "?kind=urgent_lead_sms") == [sms]
    assert shown(pages, "?code=21211") == [sms]
    assert shown(pages, "?until=2026-01-04") == [sms]  # 22:00 on January 4 in New York
    assert shown(pages, "?since=2026-01-05") == [run]
    assert shown(pages, "?q=Cases.exp") == [run]


def test_pages_lead_back_and_forth(pages: Pages) -> None:
    ids = [dead_letter(pages.rows) for _ in range(120)][::-1]
    assert shown(pages) == ids[:50]
    assert shown(pages, f"?before={ids[49]}") == ids[50:100]
    assert shown(pages, f"?after={ids[50]}") == ids[:50]
    assert f"before={ids[49]}" in pages.viewer.get("dead-letters").text


def test_a_dead_letter_leads_to_its_delivery_or_its_run(pages: Pages) -> None:
    sent = delivery(pages.rows, "dead", error_code="503")
    daily, other = FEEDS[0], FEEDS[1]
    runs = {
        feed.dag_id: pages.rows.insert(
            "data_ingestion_logs",
            ingestion_type=feed.ingestion_type,
            run_id="r1",
            status="failed",
            ingestion_date="2026-01-01",
        )
        for feed in (daily, other)
    }
    letter = dead_letter(pages.rows, job_name=daily.dag_id, job_data={"run_id": "r1"})
    text = pages.viewer.get("dead-letters").text
    assert f'/deliveries/{sent}"' in text and f'/ingestion/{runs[daily.dag_id]}"' in text
    assert f'/ingestion/{runs[other.dag_id]}"' not in text
    assert f'/ingestion/{runs[daily.dag_id]}"' in pages.viewer.get(f"dead-letters/{letter}").text


def test_only_actions_that_make_sense_are_offered(pages: Pages) -> None:
    delivery(pages.rows, "dead")
    of_delivery = pages.rows.one("SELECT id FROM failed_jobs")
    of_run, closed = dead_letter(pages.rows), dead_letter(pages.rows, state="replayed")

    def offered(letter: int) -> list[str]:
        return re.findall(r"actions/new\?action=(\w+)", pages.op.get(f"dead-letters/{letter}").text)

    assert offered(of_delivery) == ["retry", "dismiss"]
    assert offered(of_run) == ["dismiss"]
    assert offered(closed) == []


def test_a_bulk_retry_queues_the_deliveries_again(pages: Pages) -> None:
    dead = [delivery(pages.rows, "dead", error_code="503") for _ in range(3)]
    kept = delivery(pages.rows, "failed", error_code="21211")
    assert act(pages.op, action="retry", type="dead_letter", filter="code=503") == "Retried 3 dead letters."
    states = dict(pages.rows.all("SELECT id, state FROM deliveries"))
    assert [states[one] for one in dead] == ["queued"] * 3 and states[kept] == "failed"
    assert len(shown(pages)) == 1 and len(shown(pages, "?state=replayed")) == 3


def test_a_dead_letter_shows_its_error_without_personal_data(pages: Pages) -> None:
    letter = dead_letter(
        pages.rows, error_message="<b>refused</b> ana@example.com", traceback="ValueError at send:12",
        job_data={"to": "+13055550123", "nested": {"a": [1]}},
    )  # fmt: skip
    text = pages.viewer.get(f"dead-letters/{letter}").text
    assert "&lt;b&gt;refused" in text and "ValueError at send:12" in text
    assert "ana@example.com" not in text and "55550123" not in text


@pytest.mark.parametrize("data", ["[1, 2]", '"text"', "7", "null", "{}"])
def test_any_data_of_a_job_can_be_shown(pages: Pages, data: str) -> None:
    letter = dead_letter(pages.rows)
    pages.rows.database.connection.execute("UPDATE failed_jobs SET job_data = %s::jsonb WHERE id = %s", (data, letter))
    assert pages.viewer.get(f"dead-letters/{letter}").status_code == 200
    assert pages.viewer.get("dead-letters").status_code == 200


def test_no_hostile_text_in_the_address_breaks_the_page(pages: Pages) -> None:
    dead_letter(pages.rows)
    for text in HOSTILE_TEXTS:
        if len(text) > 2_000:
            continue
        for name in ("queue", "job", "kind", "code", "cause", "state", "since", "until", "q", "before", "after"):
            assert pages.viewer.get("dead-letters", params={name: text}).status_code in (200, 400), (name, text)
    for number in ("0", str(2**63), "9" * 40):
        assert pages.viewer.get(f"dead-letters/{number}").status_code == 404
