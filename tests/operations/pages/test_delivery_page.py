"""The page of one delivery tells its whole story, from rows that the real notifier wrote, and hides personal data."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from psycopg.types.json import Jsonb

import notifier
from leads.sql import statement
from notifier.actors import drain
from notifier.core.queues import SMS
from notifier.deliveries import provider_events
from notifier.deliveries.provider_events import Event
from notifier.maintenance.tasks import mark_due_deliveries
from tests.notifier.conftest import notifier_settings, system  # noqa: F401  # fixtures
from tests.notifier.system import System
from tests.operations.pages.conftest import Pages

ANA: dict[str, Any] = {"email": "ana.garcia@example.com", "phone_number": "+13055550107"}


def story(pages: Pages, delivery: int) -> list[str]:
    """Return the steps of a delivery's timeline as texts without their times."""
    page = pages.viewer.get(f"deliveries/{delivery}")
    assert page.status_code == 200, page.text
    (timeline,) = re.findall(r'<ol class="timeline">(.*?)</ol>', page.text, re.DOTALL)
    steps = re.findall(r"<li.*?</li>", timeline, re.DOTALL)
    texts = [re.sub(r"<time.*?</time>|<[^>]+>", " ", step) for step in steps]
    return [" ".join(unescape(text).split()) for text in texts]


def insert(pages: Pages, **values: Any) -> int:
    defaults = {"channel": "sms", "kind": "urgent_lead_sms", "dedupe_key": "k1"}
    return pages.rows.insert("deliveries", **defaults | values)


def retry(system: System) -> int:  # noqa: F811
    """Send what is due again, as the leader and a worker do. Return how many deliveries were claimed."""
    mark_due_deliveries(system.database.connection)
    return drain.drain_queue(SMS)


def sent_sms(system: System) -> int:  # noqa: F811
    """Send an SMS that Twilio accepts at the second attempt and then delivers; return its delivery's id."""
    delivery = notifier.urgent_lead_sms.send(system.subscriber(**ANA), system.lead()).delivery_id
    system.rows("UPDATE deliveries SET not_before = now() RETURNING id")
    system.fault("twilio", status=503, times=1)
    drain.drain_queue(SMS)
    system.wait_until(lambda: retry(system) or system.state(delivery) == "accepted", "accepted", 20)
    sid, second = system.rows("SELECT provider_id, date_trunc('second', accepted_at) FROM deliveries")[0]
    provider_events.store("twilio", [Event("delivered", f"{sid}:delivered", delivery, sid, second)])
    provider_events.apply()
    return delivery


def test_the_timeline_tells_what_the_notifier_did(system: System, pages: Pages) -> None:  # noqa: F811
    delivery = sent_sms(system)
    steps = story(pages, delivery)
    sid = system.value("SELECT provider_id FROM deliveries")
    kinds = [re.sub(r" (took|waited) .*?(?= ·| worker)", "", step) for step in steps]
    assert kinds[0].startswith(("Enqueued", "10 tokens held"))
    order = [
        next(n for n, step in enumerate(steps) if text in step)
        for text in (
            "Enqueued",
            "Attempt 1: nothing was sent, to be tried again",
            "Attempt 2: Twilio accepted it",
            "10 tokens spent",
            "Twilio reported: delivered",
        )
    ]
    assert order[0] < order[1] < order[2] <= order[3] < order[4]
    assert f"id {sid}" in steps[order[2]] and "took " in steps[order[2]]
    assert "503" in steps[order[1]]


def test_a_refused_delivery_shows_its_dead_letter_and_what_operators_did(system: System, pages: Pages) -> None:  # noqa: F811
    system.fault("twilio", status=400, body={"code": 21614, "message": "not a mobile number"})
    delivery = notifier.urgent_lead_sms.send(system.subscriber(**ANA), system.lead()).delivery_id
    drain.drain_queue(SMS)
    letter = system.value("SELECT id FROM failed_jobs")
    many = [letter, *range(10**6, 10**6 + 200)]
    system.rows(
        "SELECT start_operator_action('op', 'retry', 'delivery', %s, 'Twilio is back'),"
        " start_operator_action('kim', 'dismiss', 'dead_letter', %s, 'all are landlines'),"
        " start_operator_action('joe', 'retry', 'delivery', %s, 'others')",
        [delivery],
        many,
        [delivery - 1, *range(10**6, 10**6 + 200)],
    )
    steps = " | ".join(story(pages, delivery))
    assert "Attempt 1: refused for good 21614" in steps and "10 tokens released" in steps
    assert f"Dead letter {letter} (open)" in steps
    assert "op asked for a retry running “Twilio is back” operator" in steps
    assert "kim asked to dismiss its dead letter with 200 others · running “all are landlines”" in steps
    assert "joe" not in steps
    page = pages.viewer.get(f"deliveries/{delivery}").text
    assert "Its dead letter is open" in page and "not a mobile number" in page


def test_the_page_says_why_and_links_to_everything_around_the_delivery(pages: Pages) -> None:
    ana = pages.rows.user(**ANA)
    place = pages.rows.insert("properties", folio_number="3040210000010", address="1200 NW 7 ST")
    lead = pages.rows.lead(property_id=place, source_reference="2026-77")
    delivery = insert(pages, subscriber_id=ana, lead_id=lead, not_before="2100-01-01", priority=95)
    page = pages.viewer.get(f"deliveries/{delivery}").text
    why = pages.rows.one("SELECT explain_delivery(%(id)s)", id=delivery)
    assert "<h1>urgent_lead_sms" in page
    assert f"</strong> {why[0].upper()}{why[1:]}" in unescape(page)
    for part in (
        f"/subscribers/{ana}",
        f"/deliveries?lead={lead}",
        "/deliveries?folio=3040210000010",
        "2026-77",
        "1200 NW 7 ST",
        "/deliveries?queue=sms-notifications",
    ):
        assert part in page, part
    assert story(pages, delivery) == ["Enqueued notifier", "Due next"]


def test_personal_data_is_masked_until_an_operator_says_why(pages: Pages) -> None:
    delivery = insert(
        pages,
        recipient="+13055550107",
        body="Secret text",
        state="failed",
        error_message="to +13055550107",
        subscriber_id=pages.rows.user(**ANA),
    )
    for client in (pages.viewer, pages.op):
        page = client.get(f"deliveries/{delivery}").text
        assert "+1 305 ••• ••07" in page and "a…@example.com" in page
        assert not re.search("3055550107|ana.garcia|Secret text", page)
    assert "/reveal" not in pages.viewer.get(f"deliveries/{delivery}").text
    assert f'hx-post="/operations/deliveries/{delivery}/reveal"' in pages.op.get(f"deliveries/{delivery}/reveal").text
    assert pages.op.post(f"deliveries/{delivery}/reveal", data={"reason": "  "}).status_code == 422
    assert pages.viewer.post(f"deliveries/{delivery}/reveal", data={"reason": "x"}).status_code == 403
    assert pages.rows.all("SELECT id FROM operator_actions") == []
    shown = pages.op.post(f"deliveries/{delivery}/reveal", data={"reason": "she asks"}).text
    assert "+13055550107" in shown and "Secret text" in shown and "<html" not in shown
    query = "SELECT actor, action, object_type, object_ids, rows, reason, state FROM operator_actions"
    assert pages.rows.one(query) == ("op", "reveal", "delivery", [delivery], 1, "she asks", "done")
    assert any("op looked at the recipient and the message" in step for step in story(pages, delivery))


def test_a_verification_code_is_never_shown(system: System, pages: Pages) -> None:  # noqa: F811
    delivery = notifier.verification_sms.send(system.subscriber(**ANA), "483920").delivery_id
    waiting = pages.op.post(f"deliveries/{delivery}/reveal", data={"reason": "x"}).text
    assert "secret" not in waiting and "is never shown" in waiting and "+13055550107" in waiting
    drain.drain_queue(SMS)
    assert system.state(delivery) == "accepted"
    for answer in (
        pages.op.get(f"deliveries/{delivery}"),
        pages.op.post(f"deliveries/{delivery}/reveal", data={"reason": "x"}),
    ):
        assert "483920" not in answer.text and "is never shown" in answer.text


def test_an_email_says_that_its_text_is_not_stored(pages: Pages) -> None:
    delivery = insert(
        pages,
        channel="email",
        kind="daily_digest",
        params=Jsonb({"day": "2026-11-20"}),
        subscriber_id=pages.rows.user(**ANA),
    )
    page = pages.viewer.get(f"deliveries/{delivery}").text
    assert "The text of an e-mail is not stored." in page and "2026-11-20" in page and "would go to" in page


@pytest.mark.parametrize(
    ("state", "values", "expected"),
    [
        (
            "skipped",
            {"error_code": "insufficient_tokens"},
            ["Enqueued notifier", "Skipped insufficient_tokens notifier"],
        ),
        ("expired", {}, ["Enqueued notifier", "Expired: it was too old to be of use notifier"]),
        (
            "sending",
            {"claimed_at": "2100-01-01", "attempts": 2},
            ["Enqueued notifier", "Attempt 2 is in progress next"],
        ),
        (
            "delivered",
            {"accepted_at": "2100-01-01", "provider_id": "SM1"},
            ["Enqueued notifier", "Twilio accepted it id SM1 worker"],
        ),
    ],
)
def test_what_no_attempt_tells_comes_from_the_row(
    pages: Pages, state: str, values: dict[str, Any], expected: list[str]
) -> None:
    assert story(pages, insert(pages, state=state, **values)) == expected


def test_deferrals_in_a_row_are_one_step(pages: Pages) -> None:
    delivery = insert(pages, not_before="2100-01-01")
    for _ in range(3):
        pages.rows.insert(
            "delivery_attempts", delivery_id=delivery, attempt=1, outcome="deferred", code="calls_in_progress"
        )
    steps = story(pages, delivery)
    assert len(steps) == 3 and "calls_in_progress 3 times since" in steps[1]


def test_a_long_story_is_cut(pages: Pages) -> None:
    delivery = insert(pages, channel="email", kind="new_lead_alert")
    pages.rows.all(
        "INSERT INTO delivery_events (delivery_id, provider, event, event_key) SELECT %(id)s, 'sendgrid', 'open', n"
        " FROM generate_series(1, 300) n RETURNING id",
        id=delivery,
    )
    assert len(story(pages, delivery)) < 210
    assert "Only the latest steps are shown" in pages.viewer.get(f"deliveries/{delivery}").text


def test_hostile_data_stays_text(pages: Pages) -> None:
    script = "<script>alert(1)</script>"
    place = pages.rows.insert("properties", folio_number="3040210000010", address=script)
    lead = pages.rows.lead(property_id=place, source_reference=script)
    delivery = insert(
        pages,
        lead_id=lead,
        error_code=script,
        error_message=script,
        body=script,
        recipient=script,
        state="failed",
        provider_id=script,
        dedupe_key=script,
        params=Jsonb({script: script}),
    )
    pages.rows.insert("delivery_events", delivery_id=delivery, provider=script, event=script, event_key="1")
    for answer in (
        pages.op.get(f"deliveries/{delivery}"),
        pages.op.post(f"deliveries/{delivery}/reveal", data={"reason": script}),
    ):
        assert answer.status_code == 200 and "<script>alert" not in answer.text


@pytest.mark.parametrize("given", ["0", "404", "9223372036854775808", "9" * 400, "x", "1.5", "-1", "%00", "1%2F2"])
def test_an_unknown_id_is_not_found(pages: Pages, given: str) -> None:
    for path in (f"deliveries/{given}", f"deliveries/{given}/reveal"):
        assert pages.op.get(path).status_code in (404, 200 if path.endswith("reveal") and given == "404" else 404)
    assert pages.op.post(f"deliveries/{given}/reveal", data={"reason": "x"}).status_code == 404


def test_the_actions_on_a_delivery_are_found_by_indexes(pages: Pages) -> None:
    connection = pages.rows.database.connection
    connection.execute(
        "INSERT INTO operator_actions (actor, action, object_type, object_ids, reason)"
        " SELECT 'op', 'reveal', 'delivery', ARRAY[n::bigint], 'r' FROM generate_series(1, 20000) n"
    )
    connection.execute(
        "SELECT start_operator_action('op', 'retry', 'delivery',"
        " ARRAY(SELECT generate_series(n * 1000, n * 1000 + 500))::bigint[], 'r')"
        " FROM generate_series(1, 500) n"
    )
    connection.execute("ANALYZE operator_actions")
    query = "EXPLAIN " + statement("operations/pages/delivery_actions")
    plan = "\n".join(row[0] for row in connection.execute(query, {"id": 7, "limit": 200}).fetchall())
    assert (
        "operator_actions_objects" in plan
        and "operator_actions_bulk" in plan
        and "Seq Scan on operator_actions" not in plan
    )


@pytest.mark.parametrize("part", ["", "_attempts", "_events", "_entries", "_letters", "_actions"])
def test_no_part_of_the_page_reads_a_whole_table(pages: Pages, part: str) -> None:
    connection = pages.rows.database.connection
    connection.execute("SET enable_seqscan = off")
    query = "EXPLAIN " + statement(f"operations/pages/delivery{part}")
    plan = "\n".join(row[0] for row in connection.execute(query, {"id": 7, "limit": 200}).fetchall())
    assert "Seq Scan" not in plan, plan
