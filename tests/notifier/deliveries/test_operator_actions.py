"""Operators' actions: what each may change, in batches that can be stopped and continued."""

from __future__ import annotations

import uuid
from typing import Any

import psycopg
import pytest

from notifier.core.states import State
from notifier.maintenance.operator_actions import continue_operator_actions
from tests.rows import Rows
from tests.servers.postgres import Database

DELIVERY_ACTIONS = ("retry", "send_now", "defer", "cancel")
#: A provider has accepted a delivery in one of these states, or may have accepted it.
UNTOUCHABLE = {State.SENDING, State.UNKNOWN, State.ACCEPTED, State.SENT, State.DELIVERED, State.UNDELIVERED}
#: Action → the states from which it changes a delivery, and the new state.
CHANGES = {
    "retry": {State.DEAD: "queued", State.FAILED: "queued", State.PARKED: "queued"},
    "send_now": {State.QUEUED: "queued"},
    "defer": {State.QUEUED: "queued"},
    "cancel": {State.QUEUED: "cancelled"},
}


@pytest.fixture
def rows(database: Database) -> Rows:
    return Rows(database)


def make_delivery(rows: Rows, user: int, state: str, **values: Any) -> int:
    delivery = rows.insert(
        "deliveries",
        **{
            "channel": "email",
            "kind": "new_lead_alert",
            "subscriber_id": user,
            "dedupe_key": uuid.uuid4().hex,
            "state": state,
            "tokens": 1,
            **values,
        },
    )
    if state in ("dead", "failed", "parked"):
        make_dead_letter(rows, delivery)
    return delivery


def make_dead_letter(rows: Rows, delivery: int, state: str = "open") -> int:
    return rows.insert("failed_jobs", queue_name="email-workflows", delivery_id=delivery, state=state)


def start(rows: Rows, action: str, object_type: str, ids: list[int], **more: Any) -> int:
    parameters = {"not_before": "2100-01-01"} if action == "defer" else {}
    found = rows.one(
        "SELECT start_operator_action('op', %(action)s, %(type)s, %(ids)s, %(reason)s, %(parameters)s::jsonb, %(key)s)",
        **{
            "action": action,
            "type": object_type,
            "ids": ids,
            "reason": "because",
            "parameters": str(parameters).replace("'", '"'),
            "key": None,
            **more,
        },
    )
    return int(found)


def act(rows: Rows, action: str, object_type: str, ids: list[int], **more: Any) -> tuple[int, dict[str, int]]:
    """Run an action to its end; return how many rows it changed, and the refusals."""
    started = start(rows, action, object_type, ids, **more)
    changed, refusals = rows.one("SELECT changed, refusals FROM continue_operator_action(%(id)s, 1000)", id=started)
    return changed, refusals


@pytest.mark.parametrize("action", DELIVERY_ACTIONS)
def test_an_action_changes_only_the_states_that_it_is_for(rows: Rows, action: str) -> None:
    user = rows.user()
    for state in State:
        delivery = make_delivery(rows, user, state, not_before="2099-01-01", due_at="2099-12-31")
        before = rows.one("SELECT to_jsonb(d) FROM deliveries d WHERE id = %(id)s", id=delivery)

        changed, refusals = act(rows, action, "delivery", [delivery])

        after = rows.one("SELECT to_jsonb(d) FROM deliveries d WHERE id = %(id)s", id=delivery)
        if state in CHANGES[action]:
            assert (changed, refusals, after["state"]) == (1, {}, CHANGES[action][state]), state
        else:
            assert after == before, state
            assert changed == 0 and sum(refusals.values()) == 1, state
        if state in UNTOUCHABLE:
            assert after == before, state


@pytest.mark.parametrize("action", DELIVERY_ACTIONS)
def test_what_a_provider_has_accepted_is_never_queued_again(rows: Rows, action: str) -> None:
    user = rows.user()
    # A dead letter may be older than the proof that its delivery was sent after all.
    delivery = make_delivery(rows, user, "delivered", accepted_at="2026-01-01", provider_id="SG1")
    letter = make_dead_letter(rows, delivery)
    act(rows, action, "delivery", [delivery])
    act(rows, "retry", "dead_letter", [letter])
    assert rows.one("SELECT state, replays FROM deliveries") == ("delivered", 0)


@pytest.mark.parametrize("state", ["dead", "failed", "parked"])
@pytest.mark.parametrize("proof", ["accepted_at", "event"])
def test_a_proof_that_a_provider_accepted_it_refuses_a_retry(rows: Rows, state: str, proof: str) -> None:
    accepted = {"accepted_at": "2026-01-01"} if proof == "accepted_at" else {}
    delivery = make_delivery(rows, rows.user(), state, **accepted)
    if proof == "event":
        rows.insert("delivery_events", delivery_id=delivery, provider="twilio", event="sent", event_key="k")
    assert act(rows, "retry", "delivery", [delivery]) == (0, {"the provider has accepted the delivery": 1})
    assert rows.one("SELECT state FROM deliveries") == state


def test_an_action_that_fails_does_not_hold_up_the_next_one(rows: Rows, database: Database) -> None:
    user = rows.user(token_balance=1000)
    first = start(rows, "retry", "delivery", [make_delivery(rows, user, "dead")])
    second = start(rows, "retry", "delivery", [make_delivery(rows, user, "dead")])
    with psycopg.connect(database.url) as other:
        other.execute("SELECT FROM deliveries ORDER BY id LIMIT 1 FOR UPDATE")
        continue_operator_actions(database.connection)
        assert rows.one("SELECT state FROM operator_actions WHERE id = %(id)s", id=first) == "running"
        assert rows.one("SELECT state FROM operator_actions WHERE id = %(id)s", id=second) == "done"
    continue_operator_actions(database.connection)
    assert rows.one("SELECT count(*) FROM operator_actions WHERE state = 'done'") == 2


def test_a_retry_holds_tokens_again_and_a_cancellation_releases_them(rows: Rows) -> None:
    user = rows.user(token_balance=5)
    delivery = make_delivery(rows, user, "dead")
    assert act(rows, "retry", "delivery", [delivery]) == (1, {})
    assert rows.one("SELECT token_balance FROM users") == 4
    assert act(rows, "cancel", "delivery", [delivery]) == (1, {})
    assert rows.one("SELECT token_balance FROM users") == 5
    assert rows.one("SELECT state, error_code, error_message FROM deliveries") == ("cancelled", "operator", "because")


def test_a_deferred_delivery_says_why_and_until_when(rows: Rows) -> None:
    delivery = make_delivery(rows, rows.user(), "queued", due_at="2099-12-31")
    assert act(rows, "defer", "delivery", [delivery]) == (1, {})
    found = rows.one("SELECT not_before::date::text, error_code, error_message FROM deliveries")
    assert found == ("2100-01-01", "operator", "because")


def test_a_delivery_is_not_deferred_until_it_is_too_old(rows: Rows) -> None:
    delivery = make_delivery(rows, rows.user(), "queued")
    assert act(rows, "defer", "delivery", [delivery]) == (0, {"the delivery would be too old by then": 1})


def test_a_dead_letter_is_dismissed_once(rows: Rows) -> None:
    letter = make_dead_letter(rows, make_delivery(rows, rows.user(), "queued"))
    assert act(rows, "dismiss", "dead_letter", [letter, 10**9]) == (1, {"there is no such dead letter": 1})
    assert act(rows, "dismiss", "dead_letter", [letter]) == (0, {"the dead letter is already dismissed": 1})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"action": "delete"}, "no action delete"),
        ({"action": "dismiss"}, "no action dismiss"),
        ({"action": None}, "no action"),
        ({"reason": "  "}, "needs a reason"),
        ({"reason": "x" * 501}, "at most 500"),
        ({"ids": list(range(200_001))}, "at most 200,000"),
        ({"action": "defer", "parameters": "{}"}, "in the future"),
        ({"action": "defer", "parameters": '{"not_before": "2001-01-01"}'}, "in the future"),
    ],
)
def test_a_wrong_action_is_refused(rows: Rows, change: dict[str, Any], message: str) -> None:
    request: dict[str, Any] = {"action": "cancel", "ids": [1]} | change
    action, ids = request.pop("action"), request.pop("ids")
    with pytest.raises(psycopg.errors.InvalidParameterValue, match=message):
        start(rows, action, "delivery", ids, **request)
    assert rows.one("SELECT count(*) FROM operator_actions") == 0


def test_a_form_that_is_sent_twice_starts_one_action(rows: Rows) -> None:
    first = start(rows, "cancel", "delivery", [1], key="form-1")
    assert start(rows, "cancel", "delivery", [1, 2], key="form-1") == first
    assert rows.one("SELECT count(*), max(rows) FROM operator_actions") == (1, 1)


def test_an_action_continues_where_its_process_was_killed(rows: Rows, database: Database) -> None:
    user = rows.user(token_balance=1000)
    ids = [make_delivery(rows, user, "dead") for _ in range(7)]
    action = start(rows, "retry", "delivery", ids)
    rows.one("SELECT done FROM continue_operator_action(%(id)s, 3)", id=action)
    with psycopg.connect(database.url) as killed:
        killed.execute("SELECT continue_operator_action(%s, 3)", (action,))
        killed.execute("SELECT 1")
        killed.rollback()

    continue_operator_actions(database.connection)

    assert rows.one("SELECT state, done, changed FROM operator_actions") == ("done", 7, 7)
    assert rows.one("SELECT count(*) FROM deliveries WHERE replays = 1") == 7
    assert rows.one("SELECT token_balance FROM users") == 993


def test_two_processes_do_not_work_on_the_same_rows(rows: Rows, database: Database) -> None:
    user = rows.user(token_balance=1000)
    action = start(rows, "retry", "delivery", [make_delivery(rows, user, "dead") for _ in range(4)])
    with psycopg.connect(database.url) as other:
        assert other.execute("SELECT done FROM continue_operator_action(%s, 2)", (action,)).fetchone() == (2,)
        assert rows.one("SELECT done FROM continue_operator_action(%(id)s, 2)", id=action) == 0
        other.commit()
    assert rows.one("SELECT done, changed FROM continue_operator_action(%(id)s, 2)", id=action) == (4, 4)


def test_a_stopped_action_changes_no_further_row(rows: Rows, database: Database) -> None:
    user = rows.user(token_balance=1000)
    action = start(rows, "retry", "delivery", [make_delivery(rows, user, "dead") for _ in range(4)])
    rows.one("SELECT done FROM continue_operator_action(%(id)s, 1)", id=action)
    assert rows.one("SELECT stop_operator_action(%(id)s, 'admin')", id=action) is True
    continue_operator_actions(database.connection)
    assert rows.one("SELECT state, done, changed, stopped_by FROM operator_actions") == ("stopped", 1, 1, "admin")
    assert rows.one("SELECT count(*) FROM deliveries WHERE state = 'queued'") == 1
    assert rows.one("SELECT stop_operator_action(%(id)s, 'admin')", id=action) is False


def test_a_row_that_another_program_writes_is_history_and_changes_nothing(rows: Rows, database: Database) -> None:
    delivery = make_delivery(rows, rows.user(), "dead")
    rows.insert(
        "operator_actions",
        actor="script",
        action="retry",
        object_type="delivery",
        object_ids=[delivery],
        rows=1,
        reason="done by hand",
    )
    continue_operator_actions(database.connection)
    assert rows.one("SELECT state FROM deliveries") == "dead"
    assert rows.one("SELECT state FROM operator_actions") == "done"
