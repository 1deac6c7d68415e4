"""Every failed job leaves one dead letter without personal data, which an operator can replay once."""

from __future__ import annotations

import time
from typing import Any

import dramatiq
import pytest
import redis
from dramatiq.brokers.redis import RedisBroker

import notifier
from leads import database as leads_database
from notifier import cli
from notifier.actors import drain
from notifier.core.queues import EMAIL, SMS
from notifier.deliveries import dead_letters, ledger_check, provider_events
from notifier.deliveries.provider_events import Event
from tests.notifier.system import System

QUEUE = "email-workflows"


def enqueue(system: System, actor: str, **kwargs: Any) -> None:
    """Put a message into Redis the way any other program could, without the notifier's code."""
    options = kwargs.pop("options", {})
    with redis.Redis.from_url(system.redis_url) as client:
        broker = RedisBroker(client=client)  # type: ignore[no-untyped-call]
        message: dramatiq.Message[Any] = dramatiq.Message(
            queue_name=QUEUE,
            actor_name=actor,
            args=(),
            kwargs=kwargs,
            options=options,
            message_timestamp=options.pop("at", int(time.time() * 1000)),
        )
        broker.enqueue(message)


def test_every_way_to_fail_leaves_one_row_and_affects_no_other_job(system: System) -> None:
    user, lead = system.subscriber(phone_number="+13055557788", email="pat.doe@example.test"), system.lead()
    with redis.Redis.from_url(system.redis_url) as client:
        for key, value in (("odd-1", b"\x80\x04 not a message"), ("odd-2", b"[1, 2]")):
            client.hset(f"dramatiq:{QUEUE}.msgs", key, value)
            client.rpush(f"dramatiq:{QUEUE}", key)
    enqueue(system, "no_such_actor", phone="+13055557788", subscriber_id=user)
    enqueue(system, "new_lead_alert", subscriber_id=4711, lead_id=lead)
    enqueue(system, "verification_sms", subscriber_id=4711, code="482913")
    enqueue(system, "new_lead_alert", subscriber_id=user, lead_id=lead, options={"max_age": 1, "at": 1})
    enqueue(system, "new_lead_alert", subscriber_id=user, lead_id=lead)
    system.start_worker(QUEUE)
    system.wait_until(lambda: system.value("SELECT count(*) FROM failed_jobs") == 6, "six dead letters")
    system.wait_until(lambda: system.states() == {"accepted": 1}, "the neighbor sent")
    found = system.rows("SELECT job_name, error_message, job_data FROM failed_jobs ORDER BY job_name, error_message")
    reasons = [(name, reason) for name, reason, _ in found]
    assert reasons == [
        ("new_lead_alert", "not to be retried: UnknownRecipient"),
        ("new_lead_alert", "too old"),
        ("no_such_actor", "unknown actor"),
        ("undecodable", "undecodable: the bytes are not a message"),
        ("undecodable", "undecodable: the bytes are not a message"),
        ("verification_sms", "not to be retried: UnknownRecipient"),
    ]
    assert found[2][2] == {"subscriber_id": user, "hidden": 1}
    for text in (str(system.rows("SELECT * FROM failed_jobs")), system.output()):
        assert not [secret for secret in ("3055557788", "pat.doe", "482913") if secret in text]


def test_a_dead_letter_that_could_not_be_written_is_written_later(system: System) -> None:
    from notifier.broker import dead_letter_middleware

    enqueue(system, "no_such_actor")
    system.start_worker(QUEUE)
    # The middleware writes the dead letter before rejecting the message, so wait for the rejection.
    with redis.Redis.from_url(system.redis_url) as client:
        system.wait_until(lambda: client.zcard(f"dramatiq:{QUEUE}.XQ") == 1, "the message rejected")
    system.database.connection.execute("DELETE FROM failed_jobs")
    assert dead_letter_middleware.recover_dead_letters() == 1
    assert dead_letter_middleware.recover_dead_letters() == 1
    assert system.value("SELECT count(*) FROM failed_jobs") == 1


def dead(system: System, **columns: Any) -> int:
    """Use up all retries of an SMS; return the id of the SMS's dead letter."""
    system.fault("twilio", status=503, times=4)
    delivery = notifier.urgent_lead_sms.send(system.subscriber(**columns), system.lead()).delivery_id
    for _ in range(4):
        system.database.connection.execute("UPDATE deliveries SET not_before = now()")
        drain.drain_queue(SMS)
    assert system.state(delivery) == "dead"
    return int(system.value("SELECT id FROM failed_jobs WHERE delivery_id = %s", delivery))


def test_a_replay_is_a_new_attempt_with_a_new_hold_and_works_once(system: System) -> None:
    letter = dead(system, tokens=10)
    assert dead_letters.replay([letter]) == {letter: "replayed"}
    assert dead_letters.replay([letter]) == {letter: "the dead letter is already replayed"}
    drain.drain_queue(SMS)
    delivery = system.value("SELECT id FROM deliveries")
    assert system.state(delivery) == "accepted"
    assert system.entries(delivery) == [("hold", 10), ("release", 10), ("hold", 10), ("settle", 10)]
    assert len(system.accepted_sms_numbers()) == 1


def test_a_replay_that_fails_leaves_another_dead_letter(system: System) -> None:
    letter = dead(system)
    dead_letters.replay([letter])
    system.fault("twilio", status=503)
    for _ in range(4):
        system.database.connection.execute("UPDATE deliveries SET not_before = now()")
        drain.drain_queue(SMS)
    assert system.rows("SELECT state FROM failed_jobs ORDER BY id") == [("replayed",), ("open",)]
    assert system.balance(system.value("SELECT id FROM users")) == 1000


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("UPDATE users SET token_balance = 9", "the subscriber has too few tokens"),
        ("UPDATE deliveries SET due_at = now() - interval '16 minutes'", "the delivery is too old"),
        ("UPDATE failed_jobs SET state = 'dismissed'", "the dead letter is already dismissed"),
        ("UPDATE deliveries SET state = 'queued'", "the delivery is queued"),
        (
            "UPDATE failed_jobs SET delivery_id = NULL",
            "the dead letter belongs to no delivery: send the message again, or dismiss the dead letter",
        ),
    ],
)
def test_a_replay_is_refused_with_its_reason(system: System, change: str, why: str) -> None:
    letter = dead(system)
    system.database.connection.execute(change)
    assert dead_letters.replay([letter]) == {letter: why}


def test_a_delivery_that_was_sent_after_all_is_not_replayed(system: System) -> None:
    letter = dead(system)
    delivery = system.value("SELECT id FROM deliveries")
    provider_events.store("twilio", [Event("delivered", "SM1:delivered", delivery, "SM1")])
    provider_events.apply()
    assert dead_letters.replay([letter]) == {letter: "the dead letter is already dismissed"}
    assert system.state(delivery) == "delivered"


def test_a_code_is_never_replayed(system: System) -> None:
    system.fault("twilio", status=400, body={"code": 21614})
    notifier.verification_sms.send(system.subscriber(), "482913")
    drain.drain_queue(SMS)
    (outcome,) = dead_letters.replay([system.value("SELECT id FROM failed_jobs")]).values()
    assert outcome == "a verification_sms cannot be replayed: it was useful only when it was due"


def test_the_command_line_shows_replays_and_dismisses(system: System, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = dead(system), dead(system)

    def said(*arguments: object, code: int = 0) -> str:
        assert cli.main([str(argument) for argument in arguments]) == code
        return capsys.readouterr().out

    assert "503" in said("dead-letters", "show", first)
    listed = said("dead-letters", "list")
    assert listed.count("urgent_lead_sms") == 2
    assert said("dead-letters", "replay", first, second) == f"{first}: replayed\n{second}: replayed\n"
    assert "refused" in said("dead-letters", "replay", first, code=1)
    assert said("dead-letters", "list") == "No dead letters.\n"
    assert "sms-notifications    2" in said("status")
    assert said("ledger", "check") == "The ledger adds up.\n"
    assert said("sweep") == "Nothing to sweep.\n"
    drain.drain_queue(EMAIL)
    system.database.connection.execute("UPDATE users SET token_balance = 5")
    system.database.connection.execute("ALTER TABLE users DISABLE TRIGGER users_record_balance")
    system.database.connection.execute("UPDATE users SET token_balance = 6 WHERE id = (SELECT min(id) FROM users)")
    assert "the balance is 6, but the entries add up to 5" in said("ledger", "check", code=1)
    with leads_database.connect("watch") as connection:
        ledger_check.watch(connection)
    assert "the balance is 6" in str(system.received("oncall"))
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    assert "dead-letters" in capsys.readouterr().out


def test_without_a_database_the_command_line_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    from notifier.core import db

    db.close()
    assert cli.main(["ledger", "check"]) == 1
    assert "check DATABASE_URL" in capsys.readouterr().err
