"""The overview shows each queue's state, and says what needs a hand."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from leads.clock import local_day, now
from operations.pages.charts import chart
from tests.operations.pages.conftest import Pages


def text_of(pages: Pages, path: str = "") -> str:
    answer = pages.viewer.get(path)
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", answer.text)


def card(pages: Pages, queue: str) -> dict[str, str]:
    """Return the numbers on a queue's card."""
    html = text_of(pages).split(f'id="{queue}"')[1].split("</article>")[0]
    pairs = re.findall(r"<dt>([^<]+)</dt> ?<dd>(?:<a[^>]*>)?([^<]*)", html)
    return {name: value.strip() for name, value in pairs}


def deliver(pages: Pages, number: int, **values: object) -> int:
    defaults = {"channel": "email", "kind": "welcome_email", "dedupe_key": f"key {number}"}
    return pages.rows.insert("deliveries", **defaults | values)


def test_each_queue_shows_its_deliveries_by_state(pages: Pages) -> None:
    deliver(pages, 1, not_before=now() - timedelta(minutes=3))
    deliver(pages, 2, not_before=now() + timedelta(hours=1))
    for number, state in enumerate(("sending", "unknown", "parked"), start=3):
        deliver(pages, number, state=state)
    pages.rows.insert("failed_jobs", queue_name="email-workflows", job_name="welcome_email", error_message="x")
    shown = card(pages, "email-workflows")
    assert {name: shown[name] for name in ("due", "deferred", "sending", "unknown", "parked", "dead letters")} == (
        dict.fromkeys(("due", "deferred", "sending", "unknown", "parked", "dead letters"), "1")
    )
    assert (shown["oldest"], shown["workers"]) == ("3 min", "0")
    assert card(pages, "sms-notifications")["due"] == "0"


def test_nothing_needs_a_hand_when_all_is_well(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("operations.pages.overview._due_days", lambda feed, first: [])
    connection = pages.rows.database.connection
    for queue in ("admin-alerts", "api-property-lookup", "email-workflows", "sms-notifications", "voice-assistant"):
        connection.execute("INSERT INTO lane_status (process_id, queue_name) VALUES ('w', %s)", (queue,))
    assert "Nothing needs a hand." in text_of(pages)


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("DELETE FROM lane_status", "No worker serves email-workflows"),
        (
            "INSERT INTO lane_pauses (queue_name, paused_by, reason) VALUES ('sms-notifications', 'ana', 'review')",
            "sms-notifications is paused by ana: review",
        ),
        (
            "INSERT INTO lane_breakers (queue_name, next_trial_at, code, reason)"
            " VALUES ('email-workflows', now(), '401', 'SendGrid refused the key')",
            "email-workflows is stopped: SendGrid refused the key",
        ),
        (
            "INSERT INTO kind_breakers (kind, next_trial_at, code) VALUES ('daily_digest', now(), 'missing_setting')",
            "email-workflows: stopped kinds: daily_digest (missing_setting)",
        ),
        (
            "INSERT INTO oncall_alerts (fingerprint, severity, subject) VALUES ('f', 'critical', 'Ledger drift')",
            "On-call: Ledger drift",
        ),
        (
            "INSERT INTO api_unit_budget (day, used, cap) VALUES (new_york_day(now()), 500, 500)",
            "All 500 units of the county&#39;s API for today are used",
        ),
    ],
)
def test_what_needs_a_hand_is_said(pages: Pages, statement: str, problem: str) -> None:
    pages.rows.database.connection.execute(statement)
    assert problem in text_of(pages)


def test_a_day_without_a_run_and_a_failed_day_stand_out(pages: Pages) -> None:
    today = local_day(now())
    run = pages.rows.insert(
        "data_ingestion_logs",
        ingestion_type="daily_ftp",
        ingestion_date=today - timedelta(days=2),
        run_id="r",
        status="failed",
        error_message="empty",
    )
    html = text_of(pages)
    assert re.search(rf'<li class="failed"><a href="/operations/ingestion/{run}"', html)
    assert '<li class="missing">' in html


def test_dead_letters_are_counted_by_cause_and_lead_to_their_rows(pages: Pages) -> None:
    for _ in range(3):
        pages.rows.insert(
            "failed_jobs",
            queue_name="email-workflows",
            job_name="welcome_email",
            job_data={"code": "503"},
            error_message="SendGrid answered 503",
        )
    html = text_of(pages)
    assert re.search(r'dead-letters\?queue=email-workflows&amp;kind=welcome_email&amp;code=503">503</a></td>', html)
    assert '<td class="number">3</td>' in html


@pytest.mark.parametrize("value", ["month", "<script>", "hour'--", "\x00"])
def test_an_unknown_range_is_refused(pages: Pages, value: str) -> None:
    answer = pages.viewer.get("", params={"range": value})
    assert answer.status_code == 400
    assert "range must be one of: hour, day, week" in answer.text


def test_hostile_texts_are_shown_as_text(pages: Pages) -> None:
    hostile = "<script>alert(1)</script>"
    pages.rows.insert("oncall_alerts", fingerprint=hostile, severity="critical", subject=hostile)
    html = text_of(pages)
    assert hostile not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


def test_automatic_refreshes_share_a_read_and_all_others_read_anew(pages: Pages) -> None:
    automatic = {"HX-Request": "true"}

    def due(**headers: str) -> str:
        html = re.sub(r"\s+", " ", pages.viewer.get("", headers=headers).text)
        return html.split('id="email-workflows"')[1].split("</dd>")[0].rsplit(">", 2)[-2].split("<")[0]

    assert due() == "0"
    deliver(pages, 1)
    assert due(**automatic) == "0"
    assert due(**automatic, **{"Cache-Control": "no-cache"}) == "1"
    deliver(pages, 2)
    assert due() == "2"
    assert due(**automatic) == "2"


def test_a_curve_has_a_gap_where_no_sample_was_taken() -> None:
    path = chart(completed=[0.0, 10.0, None, 5.0]).curves[0].path
    assert path.count("M") == 2
    assert path.startswith("M0.0 47.0")


def test_a_database_that_is_away_gives_a_clear_error(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    from operations.pages import database

    monkeypatch.setenv("AIRFLOW_CONN_LEADS_DB", "postgresql://nobody@127.0.0.1:1/nothing")
    database.close()
    answer = pages.viewer.get("")
    assert answer.status_code == 503
    assert "The leads database does not answer" in answer.text
