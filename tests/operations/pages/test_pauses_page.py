"""Operators pause and resume queues."""

from __future__ import annotations

import pytest

from tests.operations.pages.acting import notice
from tests.operations.pages.conftest import Pages

QUEUE = "sms-notifications"
REASON = {"reason": "Twilio reviews our campaign"}


def test_a_queue_is_paused_and_resumed_with_a_reason(pages: Pages) -> None:
    dialog = pages.op.get(f"queues/{QUEUE}/pause").text
    assert f"Pause {QUEUE}" in dialog and "after an hour" in dialog and "10 minutes" in dialog
    assert notice(pages.op.post(f"queues/{QUEUE}/pause", data=REASON)) == f"{QUEUE} is paused."
    assert pages.rows.all("SELECT queue_name, paused_by, reason FROM lane_pauses") == [(QUEUE, "op", REASON["reason"])]
    overview = pages.viewer.get("").text
    assert f"{QUEUE} is paused by op: {REASON['reason']}" in overview
    assert REASON["reason"] in pages.op.get(f"queues/{QUEUE}/resume").text
    assert notice(pages.op.post(f"queues/{QUEUE}/resume", data=REASON)) == f"{QUEUE} works again."
    assert pages.rows.all("SELECT queue_name FROM lane_pauses") == []
    recorded = pages.rows.all("SELECT actor, action, object_type, parameters, state FROM operator_actions ORDER BY id")
    assert recorded == [("op", action, "queue", {"queue": QUEUE}, "done") for action in ("pause", "resume")]
    page = pages.viewer.get("actions").text
    assert f'href="/operations/#{QUEUE}"' in page and REASON["reason"] in page


def test_the_second_of_two_operators_learns_that_the_first_was_faster(pages: Pages) -> None:
    notice(pages.op.post(f"queues/{QUEUE}/pause", data=REASON))
    again = pages.admin.post(f"queues/{QUEUE}/pause", data={"reason": "me too"})
    assert again.status_code == 409 and "already paused" in again.text
    assert "already paused" in pages.admin.get(f"queues/{QUEUE}/pause").text
    assert pages.rows.all("SELECT paused_by FROM lane_pauses") == ["op"]
    notice(pages.op.post(f"queues/{QUEUE}/resume", data=REASON))
    assert pages.admin.post(f"queues/{QUEUE}/resume", data=REASON).status_code == 409
    assert "not paused" in pages.admin.get(f"queues/{QUEUE}/resume").text


@pytest.mark.parametrize("reason", ["", " ", "\0", "x" * 501])
def test_a_pause_needs_a_reason(pages: Pages, reason: str) -> None:
    assert pages.op.post(f"queues/{QUEUE}/pause", data={"reason": reason}).status_code == 422
    assert pages.op.post(f"queues/{QUEUE}/pause").status_code == 422
    assert pages.rows.all("SELECT queue_name FROM lane_pauses") == []


def test_a_viewer_cannot_pause(pages: Pages) -> None:
    assert pages.viewer.post(f"queues/{QUEUE}/pause", data=REASON).status_code == 403
    assert "/pause" not in pages.viewer.get("").text and "/pause" in pages.op.get("").text
    assert pages.rows.all("SELECT queue_name FROM lane_pauses") == []


@pytest.mark.parametrize(("name", "status"), [("admin-alerts", 409), ("no-such-queue", 404), ("%00", 404), ("'", 404)])
def test_only_queues_that_can_be_paused_are_paused(pages: Pages, name: str, status: int) -> None:
    for verb in ("pause", "resume"):
        assert pages.op.get(f"queues/{name}/{verb}").status_code == status
        assert pages.op.post(f"queues/{name}/{verb}", data=REASON).status_code == status


@pytest.mark.parametrize("name", ["api-property-lookup", "email-workflows", "voice-assistant"])
def test_the_dialog_says_how_much_waits(pages: Pages, name: str) -> None:
    pages.rows.insert("deliveries", channel="email", kind="welcome_email", dedupe_key="1", state="queued")
    text = pages.op.get(f"queues/{name}/pause").text
    waiting = "1 deliveries" if name == "email-workflows" else "0 lookups" if "lookup" in name else "0 deliveries"
    assert waiting in text


def test_a_hostile_reason_is_escaped(pages: Pages) -> None:
    notice(pages.op.post(f"queues/{QUEUE}/pause", data={"reason": "<script>alert(1)</script>"}))
    for path in ("", "actions", f"queues/{QUEUE}/resume"):
        text = pages.op.get(path).text
        assert "<script>alert" not in text and "&lt;script&gt;alert" in text
