"""The page Actions: what operators did, its reasons and refusals, and Airflow's audit log."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from airflow import settings
from airflow.models.log import Log
from airflow.utils.session import create_session

from operations.pages import rendering
from tests.operations.pages.acting import act, dead_letter, delivery
from tests.operations.pages.conftest import Pages


def running_action(pages: Pages, rows: int = 300) -> int:
    ids = [dead_letter(pages.rows) for _ in range(rows)]
    return int(
        pages.rows.one("SELECT start_operator_action('op', 'dismiss', 'dead_letter', %(ids)s, 'known fault')", ids=ids)
    )


def test_the_pages_say_that_actions_wait_only_if_no_worker_runs(pages: Pages) -> None:
    action = running_action(pages)
    for path in ("actions", f"actions/{action}"):
        assert "background actions wait" in pages.viewer.get(path).text
    pages.rows.database.connection.execute(
        "INSERT INTO lane_status (process_id, queue_name, waiting, active) VALUES ('w', 'email-workflows', 0, 0)"
    )
    for path in ("actions", f"actions/{action}"):
        assert "background actions wait" not in pages.viewer.get(path).text


def test_refusals_are_shown_with_their_reasons(pages: Pages) -> None:
    old = delivery(pages.rows, "dead", due_at=datetime.now(UTC) - timedelta(days=30))
    said = act(pages.op, action="retry", type="delivery", ids=old)
    assert said == "Retried 0 deliveries. Refused: 1 × the delivery is too old."
    action = pages.rows.one("SELECT id FROM operator_actions")
    page = pages.viewer.get(f"actions/{action}").text
    assert "the delivery is too old" in page and f'/deliveries/{old}"' in page


@pytest.fixture
def audit_log(airflow_with_pages: object) -> Iterator[None]:
    Log.__table__.create(settings.get_engine(), checkfirst=True)
    yield
    Log.__table__.drop(settings.get_engine())


def test_airflows_audit_log_has_the_action_too(pages: Pages, audit_log: None) -> None:
    act(pages.op, action="dismiss", type="dead_letter", ids=dead_letter(pages.rows))
    with create_session() as session:
        found = [(row.event, row.owner) for row in session.query(Log)]
    assert found == [("operations.dismiss", "op")]


def test_an_action_does_not_need_airflows_audit_log(pages: Pages) -> None:
    assert (
        act(pages.op, action="dismiss", type="dead_letter", ids=dead_letter(pages.rows)) == "Dismissed 1 dead letter."
    )


def test_the_list_of_actions_can_be_filtered_and_has_pages(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("operations.pages.action_log.PAGE", 2)
    for number, (actor, action) in enumerate(
        [("ana", "retry"), ("ana", "dismiss"), ("luis", "retry"), ("luis", "retry")]
    ):
        pages.rows.insert(
            "operator_actions", actor=actor, action=action, object_type="dead_letter", reason=f"why-{number}",
            state="done", created_at=datetime(2026, 1, 1 + number, 12, tzinfo=UTC),
        )  # fmt: skip

    def shown(query: str) -> list[str]:
        text = pages.viewer.get(f"actions{query}").text
        return [f"why-{number}" for number in range(4) if f"why-{number}" in text]

    assert shown("") == ["why-2", "why-3"]
    third = pages.rows.one("SELECT id FROM operator_actions WHERE reason = 'why-2'")
    assert f"before={third}" in pages.viewer.get("actions").text
    assert shown(f"?before={third}") == ["why-0", "why-1"]
    assert shown("?actor=ana") == ["why-0", "why-1"]
    assert shown("?action=dismiss") == ["why-1"]
    assert shown("?since=2026-01-04") == ["why-3"]
    assert pages.viewer.get("actions?since=never").status_code == 400
    assert pages.viewer.get(f"actions/{2**63}").status_code == 404


@pytest.mark.parametrize(
    ("object_type", "path"),
    [
        ("delivery", "deliveries"),
        ("dead_letter", "dead-letters"),
        ("subscriber", "subscribers"),
        ("unmatched_record", "unmatched"),
    ],
)
def test_an_action_leads_to_what_it_was_done_on(pages: Pages, object_type: str, path: str) -> None:
    parameters = {"folio": "3040210000010", "alias": None, "note": "<b>&"}
    action = pages.rows.insert(
        "operator_actions", actor="ana", action="accept", object_type=object_type, object_ids=[7], rows=1, done=1,
        changed=1, reason="clear", state="done", parameters=parameters,
    )  # fmt: skip
    for page in ("actions", f"actions/{action}"):
        assert f'href="/operations/{path}/7"' in pages.viewer.get(page).text
    page = pages.viewer.get(f"actions/{action}").text
    assert "3040210000010" in page and "&lt;b&gt;&amp;" in page and "<dt>alias</dt>" not in page


@pytest.mark.parametrize(
    ("state", "offered"),
    [
        ("queued", ["send_now", "defer", "cancel"]),
        ("failed", ["retry"]),
        ("dead", ["retry"]),
        ("parked", ["retry"]),
        *((state, []) for state in ("sending", "unknown", "accepted", "sent", "delivered", "cancelled", "expired")),
    ],
)
def test_one_delivery_offers_what_makes_sense(state: str, offered: list[str]) -> None:
    assert offers("one_delivery_actions.html", delivery={"id": 7, "state": state}, may_act=True) == offered
    assert offers("one_delivery_actions.html", delivery={"id": 7, "state": state}, may_act=False) == []


def test_a_list_of_deliveries_offers_actions_on_the_selection_and_on_all_that_match() -> None:
    context = {"filter_query": "state=dead&code=5%263", "total_text": "1,204"}
    assert offers("delivery_actions.html", **context, may_act=True) == ["retry", "send_now", "defer", "cancel"] * 2
    assert offers("delivery_actions.html", **context, may_act=False) == []
    assert offers("delivery_actions.html", filter_query="", total_text="0", may_act=True) == []
    assert "filter=state%3Ddead%26code%3D5%25263" in rendered("delivery_actions.html", **context, may_act=True)


def rendered(template: str, **context: object) -> str:
    return rendering._environment().get_template(template).render(root="", **context)


def offers(template: str, **context: object) -> list[str]:
    """Return the actions whose buttons a template shows."""
    return re.findall(r"actions/new\?action=(\w+)", rendered(template, **context))
