"""Every claim that ends leaves one row in delivery_attempts, and its outcome is true even if it becomes known later."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

import notifier
from notifier.actors import drain
from notifier.core.db import transaction
from notifier.core.errors import OutcomeUnknown, Refused
from notifier.core.queues import EMAIL, SMS, VOICE
from notifier.core.states import State
from notifier.deliveries import dead_letters, lifecycle, provider_events
from notifier.deliveries.lifecycle import Claim, SentRecord
from notifier.deliveries.provider_events import Event
from notifier.maintenance.sweep import sweep
from tests.notifier.system import System
from tests.notifier.voice.test_outbound import Caller

NUMBER = "+13055551234"


def attempts(system: System, delivery: int) -> list[tuple[Any, ...]]:
    """Return the number, outcome, code and provider id of a delivery's attempts."""
    query = "SELECT attempt, outcome, code, provider_id FROM delivery_attempts WHERE delivery_id = %s ORDER BY id"
    return system.rows(query, delivery)


def claimed_sms(system: System, delivery: int | None = None) -> tuple[int, Claim]:
    """Claim an SMS, which is new unless ``delivery`` is given."""
    if delivery is None:
        delivery = notifier.urgent_lead_sms.send(system.subscriber(), system.lead()).delivery_id
    system.rows("UPDATE deliveries SET not_before = now() WHERE state = 'queued' RETURNING id")
    claim = lifecycle.claim(SMS, ["urgent_lead_sms"])
    assert claim is not None and claim.ids == (delivery,)
    return delivery, claim


def sent(delivery: int) -> list[SentRecord]:
    return [SentRecord(delivery, NUMBER)]


def report(delivery: int, word: str, **details: str) -> None:
    provider_events.store("twilio", [Event(word, f"SM1:{word}", delivery, "SM1", details=details)])
    provider_events.apply()


def test_each_retry_keeps_its_code_and_the_last_attempt_is_accepted(system: System) -> None:
    delivery, claim = claimed_sms(system)
    lifecycle.requeue(claim, [delivery], SMS, Refused("busy", code="20429"))
    _, claim = claimed_sms(system, delivery)
    lifecycle.requeue(claim, [delivery], SMS, Refused("no route", code="connect"))
    _, claim = claimed_sms(system, delivery)
    lifecycle.accept(claim, SMS, sent(delivery), "SM1")
    report(delivery, "delivered")
    assert attempts(system, delivery) == [
        (1, "queued", "20429", None), (2, "queued", "connect", None), (3, "accepted", None, "SM1")
    ]  # fmt: skip


def test_an_attempt_keeps_when_it_was_due_and_when_it_began_and_ended(system: System) -> None:
    delivery, claim = claimed_sms(system)
    (row,) = system.rows("SELECT not_before, claimed_at FROM deliveries WHERE id = %s", delivery)
    lifecycle.requeue(claim, [delivery], SMS, Refused("busy", code="busy"))
    assert system.rows("SELECT due_at, started_at, ended_at >= started_at FROM delivery_attempts") == [(*row, True)]


def test_a_deferred_claim_is_recorded_but_not_counted(system: System) -> None:
    delivery, claim = claimed_sms(system)
    lifecycle.defer(claim, [delivery], "quiet_hours", pause=timedelta(hours=1))
    _, claim = claimed_sms(system, delivery)
    lifecycle.end(claim, [delivery], State.SKIPPED, "preference")
    assert attempts(system, delivery) == [(1, "deferred", "quiet_hours", None), (1, "skipped", "preference", None)]


def test_a_call_that_waits_for_a_free_line_is_deferred_without_a_start(
    system: System, notifier_settings: pytest.MonkeyPatch
) -> None:
    notifier_settings.setenv("CALL_WINDOW", "00:00-23:59:59.999999")
    caller = Caller(system)
    waiting = [caller.order() for _ in range(VOICE.concurrency + 1)][-1]
    system.rows("UPDATE deliveries SET state = 'accepted', accepted_at = now() WHERE id <> %s RETURNING id", waiting)
    for _ in range(2):
        drain.drain_queue(VOICE)
    query = "SELECT attempt, outcome, code, started_at FROM delivery_attempts WHERE delivery_id = %s"
    assert system.rows(query, waiting) == [(1, "deferred", "calls_in_progress", None)]


def test_a_replay_starts_again_at_one(system: System) -> None:
    delivery, claim = claimed_sms(system)
    lifecycle.end(claim, [delivery], State.FAILED, "21614")
    letter = system.value("SELECT id FROM failed_jobs")
    assert dead_letters.replay([letter]) == {letter: "replayed"}
    _, claim = claimed_sms(system, delivery)
    lifecycle.accept(claim, SMS, sent(delivery), "SM1")
    assert attempts(system, delivery) == [(1, "failed", "21614", None), (1, "accepted", None, "SM1")]


def unknown_sms(system: System) -> tuple[int, Claim]:
    """Make the leader mark a claimed SMS as unknown, as if the SMS's worker had died."""
    delivery, claim = claimed_sms(system)
    system.rows("UPDATE deliveries SET claimed_at = now() - interval '1 day' RETURNING id")
    with transaction() as cursor:
        sweep(cursor.connection)
    assert attempts(system, delivery) == [(1, "unknown", "worker_died", None)]
    return delivery, claim


def park(system: System) -> None:
    """Make the leader park the SMS whose outcome has been unknown for long."""
    system.rows("UPDATE deliveries SET updated_at = now() - interval '1 day' RETURNING id")
    with transaction() as cursor:
        sweep(cursor.connection)
    assert system.states() == {"parked": 1}


def test_a_worker_that_was_only_slow_corrects_its_attempt(system: System) -> None:
    delivery, claim = unknown_sms(system)
    lifecycle.accept(claim, SMS, sent(delivery), "SM1")
    assert attempts(system, delivery) == [(1, "accepted", None, "SM1")]


def test_a_slow_worker_that_sent_nothing_corrects_its_attempt(system: System) -> None:
    delivery, claim = unknown_sms(system)
    lifecycle.release(claim, [delivery])
    assert attempts(system, delivery) == [(1, "deferred", "claim_lost", None)]


def test_a_slow_worker_whose_request_was_refused_corrects_its_attempt(system: System) -> None:
    delivery, claim = unknown_sms(system)
    lifecycle.requeue(claim, [delivery], SMS, Refused("busy", code="busy"))
    assert attempts(system, delivery) == [(1, "queued", "busy", None)]


@pytest.mark.parametrize("is_parked", [False, True])
def test_a_providers_report_corrects_an_unknown_attempt(system: System, is_parked: bool) -> None:
    delivery, _ = unknown_sms(system)
    if is_parked:
        park(system)
        assert attempts(system, delivery) == [(1, "unknown", "worker_died", None)]
    report(delivery, "undelivered", code="30003")
    assert attempts(system, delivery) == [(1, "accepted", None, "SM1")]


def test_a_late_proof_after_a_replay_corrects_the_unknown_attempt(system: System) -> None:
    delivery, _ = unknown_sms(system)
    park(system)
    dead_letters.replay(system.rows("SELECT id FROM failed_jobs")[0])
    _, claim = claimed_sms(system, delivery)
    lifecycle.end(claim, [delivery], State.FAILED, "21614")
    report(delivery, "delivered")
    assert attempts(system, delivery) == [(1, "accepted", None, "SM1"), (1, "failed", "21614", None)]


def test_a_callback_that_overtakes_the_worker_leaves_one_row(system: System) -> None:
    delivery, claim = claimed_sms(system)
    report(delivery, "delivered")
    assert attempts(system, delivery) == [(1, "accepted", None, "SM1")]
    lifecycle.accept(claim, SMS, sent(delivery), "SM2")
    assert attempts(system, delivery) == [(1, "accepted", None, "SM2")]


def test_a_batch_of_emails_leaves_a_row_for_each_outcome(system: System) -> None:
    user = system.subscriber(tokens=1000)
    leads = [system.lead() for _ in range(300)]
    notifier.send_many(notifier.new_lead_alert, [{"subscriber_id": user, "lead_id": lead} for lead in leads])
    claim = lifecycle.claim(EMAIL, ["new_lead_alert"])
    assert claim is not None and len(claim.ids) == 300
    accepted, unknown, skipped = claim.ids[:100], claim.ids[100:200], claim.ids[200:]
    lifecycle.accept(claim, EMAIL, [SentRecord(i, "a@example.test") for i in accepted], "msg1")
    error = OutcomeUnknown("no answer", code="no_answer")
    lifecycle.mark_unknown(claim, [SentRecord(i, "a@example.test") for i in unknown], error)
    lifecycle.end(claim, skipped, State.SKIPPED, "preference")
    found = system.rows(
        "SELECT outcome, code, provider_id, attempt, array_agg(delivery_id ORDER BY delivery_id)"
        " FROM delivery_attempts GROUP BY 1, 2, 3, 4 ORDER BY 1"
    )
    assert found == [
        ("accepted", None, "msg1", 1, list(accepted)),
        ("skipped", "preference", None, 1, list(skipped)),
        ("unknown", "no_answer", None, 1, list(unknown)),
    ]


def test_an_email_that_is_sent_again_keeps_its_unknown_attempt(system: System) -> None:
    delivery = notifier.welcome_email.send(system.subscriber()).delivery_id
    claim = lifecycle.claim(EMAIL, ["welcome_email"])
    assert claim is not None
    lifecycle.mark_unknown(claim, [SentRecord(delivery, "")], OutcomeUnknown("no answer", code="no_answer"))
    system.rows("UPDATE deliveries SET updated_at = now() - interval '1 hour' RETURNING id")
    with transaction() as cursor:
        sweep(cursor.connection)
    drain.drain_queue(EMAIL)
    (first, second) = attempts(system, delivery)
    assert first == (1, "unknown", "no_answer", None)
    assert second[:3] == (2, "accepted", None)


def test_changes_that_end_no_claim_leave_no_row(system: System) -> None:
    delivery, claim = claimed_sms(system)
    with transaction() as cursor:
        cursor.execute("UPDATE deliveries SET claimed_at = now(), check_at = now(), updated_at = now()")
        cursor.execute("UPDATE deliveries SET claim = %s", (uuid4(),))
    lifecycle.accept(claim, SMS, sent(delivery), "SM1")
    assert attempts(system, delivery) == []


def test_killed_workers_and_refusals_lose_and_double_no_attempt(system: System) -> None:
    user = system.subscriber(tokens=5000)
    system.fault("twilio", status=503, every=3, times=8)
    system.fault("twilio", seconds=0.3)
    leads = [system.lead() for _ in range(40)]
    notifier.send_many(notifier.urgent_lead_sms, [{"subscriber_id": user, "lead_id": lead} for lead in leads])
    worker = system.start_worker("sms-notifications", NOTIFIER_TIME_SCALE="0.001")
    system.wait_until(lambda: system.states().get("accepted", 0) > 3, "some texts accepted")
    system.kill(worker)
    stuck = system.states().get("sending", 0)
    system.start_worker("sms-notifications", NOTIFIER_TIME_SCALE="0.001")
    system.wait_for_rest()
    outcomes = dict(system.rows("SELECT outcome, count(*) FROM delivery_attempts GROUP BY 1"))
    assert outcomes["accepted"] == system.value("SELECT count(*) FROM deliveries WHERE accepted_at IS NOT NULL")
    assert outcomes["queued"] > 0
    assert outcomes.get("unknown", 0) <= stuck
    # Deferrals aside, a delivery has one row for each counted attempt.
    differing = system.rows(
        "SELECT d.id, d.attempts, a.numbers FROM deliveries d LEFT JOIN LATERAL ("
        "  SELECT array_agg(attempt ORDER BY id) AS numbers FROM delivery_attempts"
        "  WHERE delivery_id = d.id AND outcome <> 'deferred') a ON true"
        " WHERE a.numbers IS DISTINCT FROM ARRAY (SELECT generate_series(1, d.attempts))"
    )
    assert differing == []
