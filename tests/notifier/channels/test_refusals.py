"""After a provider's refusal, retries follow the kind's schedule.

A throttled request does not count as an attempt. A rejection is final.
"""

from __future__ import annotations

import time
from collections import Counter
from datetime import timedelta
from threading import Thread
from typing import Any

import psycopg
import pytest

import notifier
from leads import database
from notifier.actors import drain
from notifier.channels import sms_reconciliation
from notifier.core.queues import EMAIL, SMS
from notifier.deliveries import ledger_check
from notifier.maintenance import sweep as sweeps
from notifier.maintenance import tasks
from tests.notifier.system import System

TABLES = {"new_lead_alert": [5, 25, 125, 625, 3125], "urgent_lead_sms": [5, 5, 5]}
QUEUES = {"new_lead_alert": (EMAIL, "sendgrid"), "urgent_lead_sms": (SMS, "twilio")}


def sent(system: System, kind: str) -> int:
    """Enqueue a delivery of ``kind``, try to send it once, and return its id."""
    opened = getattr(notifier, kind).send(system.subscriber(), system.lead())
    drain.drain_queue(QUEUES[kind][0])
    return int(opened.delivery_id)


def row(system: System, *columns: str) -> Any:
    return system.rows(f"SELECT {', '.join(columns)} FROM deliveries ORDER BY id LIMIT 1")[0]


@pytest.mark.parametrize("kind", TABLES)
def test_retries_follow_the_table_exactly(system: System, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setenv("NOTIFIER_TIME_SCALE", "1")
    queue, provider = QUEUES[kind]
    system.fault(provider, status=503)
    delivery = sent(system, kind)
    for number, seconds in enumerate(TABLES[kind], start=1):
        state, attempts, wait = row(system, "state", "attempts", "not_before - updated_at")
        assert (state, attempts, wait) == ("queued", number, timedelta(seconds=seconds))
        assert drain.drain_queue(queue) == 0
        system.database.connection.execute("UPDATE deliveries SET not_before = now()")
        drain.drain_queue(queue)
    assert row(system, "state", "attempts") == ("dead", len(TABLES[kind]) + 1)
    assert [entry for entry, _ in system.entries(delivery)] == ["hold", "release"]
    assert system.value("SELECT count(*) FROM failed_jobs") == 1
    assert len(system.received(provider)) == len(TABLES[kind]) + 1


@pytest.mark.parametrize("kind", TABLES)
def test_throttling_costs_no_attempt(system: System, kind: str) -> None:
    queue, provider = QUEUES[kind]
    system.fault(provider, status=429, headers={"Retry-After": "7"}, times=30)
    sent(system, kind)
    for _ in range(29):
        assert row(system, "state", "attempts", "not_before - updated_at") == ("queued", 0, timedelta(seconds=7))
        end_the_wait(system)
        drain.drain_queue(queue)
    end_the_wait(system)
    drain.drain_queue(queue)
    assert row(system, "state", "attempts") == ("accepted", 1)
    assert system.rows("SELECT * FROM lane_breakers") == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Retry-After": "Wed, 21 Oct 99999999999999999999 07:28:00 GMT"},
        {"X-RateLimit-Reset": "9" * 400},
        {"X-RateLimit-Reset": "\xb2"},
    ],
)
def test_a_malformed_wait_does_not_make_a_refused_e_mail_uncertain(system: System, headers: dict[str, str]) -> None:
    system.fault("sendgrid", status=429, headers=headers)
    sent(system, "new_lead_alert")
    assert row(system, "state", "attempts", "not_before - updated_at") == ("queued", 0, timedelta(seconds=1))


def end_the_wait(system: System) -> None:
    """Make the queues and their deliveries due now."""
    for table, column in (
        ("deliveries", "not_before"),
        ("lane_breakers", "next_trial_at"),
        ("kind_breakers", "next_trial_at"),
    ):
        system.database.connection.execute(f"UPDATE {table} SET {column} = now()")


@pytest.mark.parametrize("kind", TABLES)
def test_a_throttled_queue_asks_once_and_again_after_the_wait(system: System, kind: str) -> None:
    queue, provider = QUEUES[kind]
    system.fault(provider, status=429, headers={"Retry-After": "7"})
    for _ in range(3):
        sent(system, kind)
        drain.drain_queue(queue)
    assert len(system.received(provider)) == 1
    assert 6 < system.value("SELECT extract(epoch FROM next_trial_at - now()) FROM lane_breakers") <= 7
    end_the_wait(system)
    for _ in range(3):
        drain.drain_queue(queue)
    assert len(system.received(provider)) == 2, "one trial"
    system.heal()
    end_the_wait(system)
    drain.drain_queue(queue)
    assert system.states() == {"accepted": 3}


def test_an_older_request_that_is_accepted_does_not_end_the_wait(system: System) -> None:
    from notifier.channels import sms
    from notifier.core.queues import kinds_of
    from notifier.deliveries import lifecycle

    user = system.subscriber()
    notifier.urgent_lead_sms.send(user, system.lead())
    older = lifecycle.claim(SMS, kinds_of(SMS))
    assert older is not None
    system.fault("twilio", status=429, headers={"Retry-After": "7"}, times=1)
    sent(system, "urgent_lead_sms")
    sms.send(sms.SMS_KINDS[0], older)
    assert system.states() == {"accepted": 1, "queued": 1}
    assert system.rows("SELECT code FROM lane_breakers") == [("http_429",)]


def test_a_trial_is_not_used_up_while_nothing_is_due(system: System) -> None:
    system.fault("twilio", status=429, headers={"Retry-After": "7"}, times=1)
    sent(system, "urgent_lead_sms")
    system.database.connection.execute("UPDATE lane_breakers SET next_trial_at = now()")
    drain.drain_queue(SMS)
    system.database.connection.execute("UPDATE deliveries SET not_before = now()")
    drain.drain_queue(SMS)
    assert system.states() == {"accepted": 1}


def test_sendgrids_reset_header_sets_the_wait(system: System) -> None:
    system.fault("sendgrid", status=429, headers={"X-RateLimit-Reset": str(int(time.time()) + 20)})
    sent(system, "new_lead_alert")
    (wait,) = row(system, "extract(epoch FROM not_before - updated_at)")
    assert 15 < wait <= 20


@pytest.mark.parametrize(
    ("provider", "kind", "body"),
    [
        ("twilio", "urgent_lead_sms", {"code": 21614, "message": "not a mobile number: +13055551234"}),
        ("twilio", "urgent_lead_sms", {"code": 99999, "message": "new"}),
        ("sendgrid", "new_lead_alert", {"errors": [{"message": "person@example.test is bad", "field": "content"}]}),
    ],
)
def test_a_permanent_failure_is_attempted_once(system: System, provider: str, kind: str, body: Any) -> None:
    system.fault(provider, status=400, body=body)
    delivery = sent(system, kind)
    drain.drain_queue(QUEUES[kind][0])
    assert row(system, "state", "attempts") == ("failed", 1)
    assert len(system.received(provider)) == 1
    assert [entry for entry, _ in system.entries(delivery)] == ["hold", "release"]
    letter = str(system.rows("SELECT * FROM failed_jobs"))
    assert "+1305" not in letter and "@" not in letter


def test_a_recipient_who_replied_stop_is_suppressed(system: System) -> None:
    system.fault("twilio", status=400, body={"code": 21610, "message": "unsubscribed"})
    sent(system, "urgent_lead_sms")
    assert row(system, "state", "error_code") == ("suppressed", "21610")
    (number,) = system.rows("SELECT phone_number FROM users")[0]
    assert system.rows("SELECT channel, address FROM suppressions") == [("sms", number)]
    again = notifier.urgent_lead_sms.send(system.value("SELECT id FROM users"), system.lead())
    system.heal()
    drain.drain_queue(SMS)
    assert system.state(again.delivery_id) == "suppressed"
    assert len(system.received("twilio")) == 1
    assert system.balance(system.value("SELECT id FROM users")) == 1000


@pytest.mark.parametrize(("kind", "status"), [("new_lead_alert", 401), ("urgent_lead_sms", 401)])
def test_an_unavailable_provider_is_tried_once_a_minute(
    system: System, monkeypatch: pytest.MonkeyPatch, kind: str, status: int
) -> None:
    monkeypatch.setenv("NOTIFIER_TIME_SCALE", "1")
    queue, provider = QUEUES[kind]
    system.fault(provider, status=status, body={"code": 20003})
    for _ in range(20):
        getattr(notifier, kind).send(system.subscriber(), system.lead())
    drain.drain_queue(queue)
    calls = len(system.received(provider))
    assert calls == 1
    assert system.rows("SELECT DISTINCT state, attempts FROM deliveries") == [("queued", 0)]
    system.database.connection.execute("UPDATE deliveries SET not_before = now()")
    drain.drain_queue(queue)
    assert len(system.received(provider)) == 1, "nothing is tried within the minute"
    system.database.connection.execute("UPDATE lane_breakers SET next_trial_at = now()")
    drain.drain_queue(queue)
    assert len(system.received(provider)) == 2, "an open breaker lets only one delivery through"
    assert len(system.received("oncall")) == 1
    system.heal()
    system.database.connection.execute("UPDATE lane_breakers SET next_trial_at = now()")
    system.database.connection.execute("UPDATE deliveries SET not_before = now()")
    drain.drain_queue(queue)
    assert system.states() == {"accepted": 20}
    assert system.rows("SELECT * FROM lane_breakers") == []


@pytest.mark.parametrize(
    ("what", "code", "named"),
    [
        ("no template is set", "missing_setting", "SENDGRID_TEMPLATE_NEW_LEAD_ALERT"),
        ("the template was deleted", "http_400", "d-new_lead_alert"),
        ("the sender is not verified", "http_403", "from"),
        ("no field is named", "http_400", "d-new_lead_alert"),
    ],
)
def test_what_a_kind_lacks_stops_this_kind_only_and_fails_no_delivery(
    system: System, monkeypatch: pytest.MonkeyPatch, what: str, code: str, named: str
) -> None:
    bodies = {
        "the template was deleted": {"message": "The template_id must be a valid GUID.", "field": "template_id"},
        "the sender is not verified": {"message": "It does not match a verified Sender Identity.", "field": "from"},
        "no field is named": {"message": "The template does not exist.", "field": None},
    }
    if what in bodies:
        errors = {"errors": [bodies[what]]}
        system.fault("sendgrid", status=int(code[-3:]), body=errors, match="d-new_lead_alert")
    else:
        monkeypatch.delenv("SENDGRID_TEMPLATE_NEW_LEAD_ALERT")
    for _ in range(3):
        notifier.new_lead_alert.send(system.subscriber(), system.lead())
        notifier.weekly_report.send(system.subscriber(), "2026-11-16")
    drain.drain_queue(EMAIL)
    alerts = "SELECT DISTINCT state, attempts, error_code FROM deliveries WHERE kind = 'new_lead_alert'"
    assert system.rows(alerts) == [("queued", 0, code)]
    assert system.rows("SELECT DISTINCT state FROM deliveries WHERE kind = 'weekly_report'") == [("accepted",)]
    (alert,) = system.received("oncall")
    assert named in str(alert["body"])
    asked = len(system.received("sendgrid"))
    drain.drain_queue(EMAIL)
    assert len(system.received("sendgrid")) == asked, "nothing is tried within the minute"
    system.heal()
    monkeypatch.setenv("SENDGRID_TEMPLATE_NEW_LEAD_ALERT", "d-new_lead_alert")
    end_the_wait(system)
    drain.drain_queue(EMAIL)
    assert system.states() == {"accepted": 6}
    assert system.rows("SELECT * FROM kind_breakers") == []


@pytest.mark.parametrize("then", ["reset", "hang"])
def test_an_email_without_an_answer_does_not_take_its_neighbors_along(
    system: System, monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    monkeypatch.setenv("PROVIDER_TIMEOUT_SECONDS", "0.5")
    users = [system.subscriber(email="bad@example.test" if n == 7 else f"p{n}@example.test") for n in range(31)]
    system.fault("sendgrid", then=then, seconds=1 if then == "hang" else 0, match="bad@example.test")
    lead = system.lead()
    notifier.send_many(notifier.new_lead_alert, [{"subscriber_id": user, "lead_id": lead} for user in users])
    drain.drain_queue(EMAIL)
    assert system.states() == {"unknown": 31}
    sweep(system, "11 minutes")
    drain.drain_queue(EMAIL)
    assert system.states() == {"accepted": 30, "unknown": 1}
    sweep(system, "11 minutes")
    assert system.states() == {"accepted": 30, "parked": 1}
    assert system.value("SELECT subscriber_id FROM deliveries WHERE state = 'parked'") == users[7]
    assert max(Counter(system.accepted_emails()).values()) == 1


@pytest.mark.parametrize("table", ["users", "deliveries"])
def test_a_locked_row_keeps_no_other_outcome_unwritten(system: System, table: str) -> None:
    """Another session locks a subscriber or a delivery while SendGrid is handling a batch."""
    users = [system.subscriber() for _ in range(50)]
    lead = system.lead()
    opened = notifier.send_many(notifier.new_lead_alert, [{"subscriber_id": u, "lead_id": lead} for u in users])
    system.fault("sendgrid", seconds=1)
    worker = Thread(target=drain.drain_queue, args=(EMAIL,))
    worker.start()
    system.wait_until(lambda: system.states() == {"sending": 50}, "the claim")
    locked = users[7] if table == "users" else opened[7].delivery_id
    with psycopg.connect(system.database.url) as blocker:
        blocker.execute(f"SELECT FROM {table} WHERE id = {locked} FOR UPDATE")
        wanted = {"accepted": 50} if table == "users" else {"accepted": 49, "sending": 1}
        system.wait_until(lambda: system.states() == wanted, "the outcomes that can be written", seconds=6)
        if table == "users":
            assert ledger_check.check(system.database.connection) == []
            assert system.entries(opened[7].delivery_id) == [("hold", 1)]
    worker.join()
    with psycopg.connect(system.database.url, autocommit=True) as connection:
        tasks.write_ledger_backlog(connection)
    assert system.states() == {"accepted": 50}
    assert {tuple(system.entries(one.delivery_id)) for one in opened} == {(("hold", 1), ("settle", 1))}
    assert system.rows("SELECT * FROM ledger_backlog") == []
    assert [system.balance(user) for user in users] == [999] * 50
    assert len(system.received("sendgrid")) == 1


def test_a_locked_delivery_holds_up_neither_claims_nor_sweeps(system: System) -> None:
    user = system.subscriber()
    first, second = (notifier.urgent_lead_sms.send(user, system.lead()) for _ in range(2))
    with psycopg.connect(system.database.url) as blocker:
        blocker.execute("SELECT FROM deliveries WHERE id = %s FOR UPDATE", (first.delivery_id,))
        drain.drain_queue(SMS)
        assert system.state(second.delivery_id) == "accepted"
    drain.drain_queue(SMS)
    assert system.state(first.delivery_id) == "accepted"
    old = [notifier.urgent_lead_sms.send(user, system.lead()) for _ in range(2)]
    system.database.connection.execute(
        "UPDATE deliveries SET due_at = now() - interval '3 days' WHERE state = 'queued'"
    )
    with psycopg.connect(system.database.url) as blocker, database.connect("test") as connection:
        blocker.execute("SELECT FROM deliveries WHERE id = %s FOR UPDATE", (old[0].delivery_id,))
        assert sweeps.sweep(connection) == {"expired": 1}
    with database.connect("test") as connection:
        assert sweeps.sweep(connection) == {"expired": 1}


def test_a_kind_whose_only_due_delivery_is_locked_holds_up_no_other_kind(system: System) -> None:
    user = system.subscriber()
    code = notifier.verification_sms.send(user, "482913")
    urgent = notifier.urgent_lead_sms.send(user, system.lead())
    with psycopg.connect(system.database.url) as blocker:
        blocker.execute("SELECT FROM deliveries WHERE id = %s FOR UPDATE", (code.delivery_id,))
        drain.drain_queue(SMS)
        assert system.state(urgent.delivery_id) == "accepted"


@pytest.mark.parametrize("errors", [["words"], "words", {"a": 1}, None, [None]])
def test_an_answer_without_proper_errors_is_a_rejection(system: System, errors: Any) -> None:
    system.fault("sendgrid", status=400, body={"errors": errors})
    sent(system, "new_lead_alert")
    assert row(system, "state", "error_code") == ("failed", "http_400")


@pytest.mark.parametrize("named", [True, False])
def test_a_rejected_address_in_a_batch_does_not_stop_the_others(system: System, named: bool) -> None:
    users = [system.subscriber(email="nobody@nowhere" if n == 7 else f"p{n}@example.test") for n in range(20)]
    lead = system.lead()
    if not named:
        body = {"errors": [{"message": "bad", "field": None}]}
        system.fault("sendgrid", status=400, body=body, match="nobody@nowhere")
    notifier.send_many(notifier.new_lead_alert, [{"subscriber_id": user, "lead_id": lead} for user in users])
    drain.drain_queue(EMAIL)
    assert system.states() == {"accepted": 19, "failed": 1}
    assert system.value("SELECT subscriber_id FROM deliveries WHERE state = 'failed'") == users[7]
    assert len(system.accepted_emails()) == 19
    assert len(system.received("sendgrid")) == (2 if named else 9)


@pytest.mark.parametrize("then", ["reset", "hang"])
def test_an_sms_with_unknown_outcome_is_never_sent_again(system: System, then: str) -> None:
    system.fault("twilio", then=then, accept=True, seconds=4 if then == "hang" else 0)
    delivery = sent(system, "urgent_lead_sms")
    assert row(system, "state", "error_code") == ("unknown", "no_answer")
    assert system.entries(delivery) == [("hold", 10)]
    sweep(system, "1 hour")
    assert system.state(delivery) == "parked"
    assert system.entries(delivery) == [("hold", 10), ("release", 10)]
    assert len(system.accepted_sms_numbers()) == 1
    assert len(system.received("oncall")) == 1


def test_an_email_with_unknown_outcome_is_sent_once_more_and_then_parked(system: System) -> None:
    system.fault("sendgrid", then="reset")
    delivery = sent(system, "new_lead_alert")
    assert system.state(delivery) == "unknown"
    sweep(system, "11 minutes")
    assert row(system, "state", "resends") == ("queued", 1)
    drain.drain_queue(EMAIL)
    assert system.state(delivery) == "unknown"
    sweep(system, "11 minutes")
    assert system.state(delivery) == "parked"
    assert len(system.received("sendgrid")) == 2


def test_a_worker_that_died_while_sending_leaves_the_outcome_unknown(system: System) -> None:
    from notifier.deliveries import lifecycle

    delivery = notifier.urgent_lead_sms.send(system.subscriber(), system.lead()).delivery_id
    assert lifecycle.claim(SMS, ["urgent_lead_sms"]) is not None
    sweep(system, "2 minutes")
    assert row(system, "state", "error_code") == ("unknown", "worker_died")
    assert system.entries(delivery) == [("hold", 10)]


def test_an_expired_delivery_is_not_sent(system: System) -> None:
    user, lead = system.subscriber(), system.lead()
    opened = [
        notifier.verification_sms.send(user, "482913"),
        notifier.urgent_lead_sms.send(user, lead),
        notifier.new_lead_alert.send(user, lead),
    ]
    later = notifier.new_lead_alert.send_with_options(args=(user, system.lead()), delay=timedelta(days=5))
    for age, expired in (("11 minutes", 1), ("25 hours", 2), ("73 hours", 3)):
        sweep(system, age)
        assert [system.state(one.delivery_id) for one in opened].count("expired") == expired
    assert system.state(later.delivery_id) == "queued", "the age is counted from the due time"
    assert system.value("SELECT count(*) FROM failed_jobs") == 3
    assert "secret" not in str(system.rows("SELECT params FROM deliveries"))
    assert system.balance(user) == 999


def sweep(system: System, later: str) -> None:
    """Make all deliveries older by ``later``, then run the sweep. ``later`` is an interval such as "61 minutes"."""
    from leads import database
    from notifier.maintenance.sweep import sweep
    from notifier.maintenance.tasks import alert_on_parked

    system.database.connection.execute(
        "UPDATE deliveries SET updated_at = updated_at - i, claimed_at = claimed_at - i,"
        " due_at = CASE WHEN due_at < now() THEN created_at - i ELSE due_at - i END, not_before = not_before - i"
        " FROM (SELECT %s::interval) AS t (i)",
        (later,),
    )
    with pytest.MonkeyPatch.context() as patch, database.connect("test") as connection:
        patch.setenv("NOTIFIER_TIME_SCALE", "1")
        sweep(connection)
        alert_on_parked(connection)


def test_a_missing_sms_in_twilios_list_proves_nothing(system: System) -> None:
    system.fault("twilio", then="reset", accept=False)
    delivery = sent(system, "urgent_lead_sms")
    system.heal()
    system.database.connection.execute("UPDATE deliveries SET updated_at = updated_at - interval '2 minutes'")
    assert sms_reconciliation.reconcile_sms() == 0
    assert system.state(delivery) == "unknown"
    drain.drain_queue(SMS)
    assert [r["method"] for r in system.received("twilio")].count("POST") == 1


def test_reconciliation_finds_an_sms_with_unknown_outcome(system: System) -> None:
    system.fault("twilio", then="reset", accept=True)
    delivery = sent(system, "urgent_lead_sms")
    system.heal()
    system.database.connection.execute("UPDATE deliveries SET updated_at = updated_at - interval '2 minutes'")
    assert sms_reconciliation.reconcile_sms() == 1
    assert system.state(delivery) == "accepted"
    assert system.entries(delivery) == [("hold", 10), ("settle", 10)]
    assert len(system.accepted_sms_numbers()) == 1


def test_reconciliation_finds_an_sms_without_recorded_text_by_its_link(system: System) -> None:
    """The worker died before it stored the text of the SMS that it had sent."""
    from unittest import mock

    from notifier.core.errors import OutcomeNotRecorded
    from notifier.deliveries import lifecycle

    with mock.patch.object(lifecycle, "accept", side_effect=OutcomeNotRecorded("died")):
        first = sent(system, "urgent_lead_sms")
    other = sent(system, "urgent_lead_sms")
    sweep(system, "2 minutes")
    assert [system.state(one) for one in (first, other)] == ["unknown", "accepted"]
    system.database.connection.execute(
        "UPDATE deliveries SET claimed_at = now(), updated_at = now() - interval '2 minutes' WHERE state = 'unknown'"
    )
    sms_reconciliation.reconcile_sms()
    assert system.state(first) == "accepted"
    assert system.entries(first) == [("hold", 10), ("settle", 10)]
    sids = dict(system.rows("SELECT id, provider_id FROM deliveries"))
    assert len(set(sids.values())) == 2


def test_reconciliation_replaces_a_lost_callback(system: System) -> None:
    delivery = sent(system, "urgent_lead_sms")
    system.became(system.value("SELECT provider_id FROM deliveries"), status="undelivered", error_code=30003)
    assert sms_reconciliation.reconcile_sms() == 0, "an SMS is not checked so early"
    system.database.connection.execute("UPDATE deliveries SET updated_at = updated_at - interval '2 hours'")
    assert sms_reconciliation.reconcile_sms() == 1
    assert row(system, "state", "error_code") == ("undelivered", "30003")
    assert system.entries(delivery) == [("hold", 10), ("settle", 10), ("refund", 10)]


def test_a_parked_sms_is_checked_for_a_day(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFIER_TIME_SCALE", "1")
    system.fault("twilio", then="reset", accept=True)
    delivery = sent(system, "urgent_lead_sms")
    system.heal()
    sweep(system, "61 minutes")
    assert system.state(delivery) == "parked"
    assert sms_reconciliation.reconcile_sms() == 0, "a parked SMS is checked only after an hour"
    make_due = "UPDATE deliveries SET check_at = now(), updated_at = updated_at - %s::interval"
    # ``sweep`` moved the claim's time back. Move the time forward again to match Twilio's record.
    system.database.connection.execute("UPDATE deliveries SET claimed_at = claimed_at + interval '61 minutes'")
    system.database.connection.execute(make_due, ("26 hours",))
    assert sms_reconciliation.reconcile_sms() == 0, "a parked SMS is not checked after a day"
    system.database.connection.execute(make_due, ("-25 hours",))
    assert sms_reconciliation.reconcile_sms() == 1
    assert system.state(delivery) == "accepted"
    assert system.entries(delivery) == [("hold", 10), ("release", 10)], "nobody is charged again"
    assert system.value("SELECT count(*) FROM failed_jobs WHERE state = 'open'") == 0


def test_a_parked_sms_without_a_record_at_twilio_is_checked_again_an_hour_later(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFIER_TIME_SCALE", "1")
    system.fault("twilio", then="reset")
    delivery = sent(system, "urgent_lead_sms")
    system.heal()
    sweep(system, "61 minutes")
    system.database.connection.execute("UPDATE deliveries SET check_at = now()")
    assert sms_reconciliation.reconcile_sms() == 0
    (wait,) = row(system, "check_at - now()")
    assert timedelta(minutes=59) < wait <= timedelta(hours=1)
    assert system.state(delivery) == "parked"
