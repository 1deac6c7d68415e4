"""A paused queue claims nothing, wherever its workers run, and everything else goes on."""

from __future__ import annotations

import time
from typing import Any

import psycopg
import pytest
import redis

import notifier
from notifier import LookupFailed, LookupPending, cli
from notifier.actors import drain
from notifier.broker import wakeups
from notifier.core.db import run
from notifier.core.queues import EMAIL, KINDS, LOOKUPS, QUEUES, SMS, VOICE
from notifier.deliveries import lifecycle, pauses, provider_events
from notifier.deliveries.lifecycle import SentRecord
from notifier.deliveries.provider_events import Event
from notifier.lookups import client
from notifier.maintenance import tasks
from notifier.maintenance.sweep import sweep
from tests.notifier.county_api import CountyApi, answer, deed
from tests.notifier.system import System

FOLIO = "0131230450670"


def pause(queue: Any = SMS) -> None:
    assert pauses.pause(queue.queue_name, actor="cli:pat", reason="Twilio asked us to wait")


def resume(queue: Any = SMS) -> None:
    assert pauses.resume(queue.queue_name, actor="cli:pat", reason="done")


def text(system: System) -> int:
    return int(notifier.urgent_lead_sms.send(system.subscriber(), system.lead()).delivery_id)


def woken(system: System) -> int:
    """Return how many messages wait in Redis for the SMS queue."""
    with redis.Redis.from_url(system.redis_url) as connection:
        return int(connection.llen(f"dramatiq:{SMS.queue_name}"))


# ── workers ──


def test_a_pause_holds_while_workers_restart_and_ends_within_two_seconds(system: System) -> None:
    pause()
    worker = system.start_worker()
    mail = notifier.welcome_email.send(system.subscriber()).delivery_id
    waiting = [text(system) for _ in range(3)]
    system.wait_until(lambda: system.state(mail) == "accepted", "the other queue to be served")
    system.kill(worker)
    system.start_worker()
    waiting.append(text(system))
    other = notifier.welcome_email.send(system.subscriber()).delivery_id
    system.wait_until(lambda: system.state(other) == "accepted", "the new worker to serve the other queue")
    time.sleep(1.5)
    assert {system.state(delivery) for delivery in waiting} == {"queued"}
    assert system.received("twilio") == []
    resume()
    began = time.monotonic()
    system.wait_until(lambda: {system.state(i) for i in waiting} == {"accepted"}, "the texts sent", seconds=10)
    assert time.monotonic() - began < 2.5
    assert sorted(system.accepted_sms()) == sorted(waiting)


def test_wakeups_for_a_paused_queue_end_at_once_and_are_not_repeated(system: System) -> None:
    pause()
    waiting = text(system)
    wakeups.wake(SMS, times=20)
    assert woken(system) > 1
    system.start_worker(SMS.queue_name)
    system.wait_until(lambda: not woken(system), "the wake-ups consumed")
    statements = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
    before = system.value(statements)
    time.sleep(3)
    assert woken(system) == 0
    # The maintenance thread runs about a dozen transactions each second.
    assert system.value(statements) - before < 100, "the worker does not ask again and again"
    assert system.state(waiting) == "queued"


@pytest.mark.parametrize("queue", [EMAIL, SMS, VOICE], ids=lambda queue: queue.queue_name)
def test_a_paused_queue_wakes_nobody_and_claims_nothing(system: System, queue: Any) -> None:
    user = system.subscriber()
    kind = {EMAIL: "welcome_email", SMS: "urgent_lead_sms", VOICE: "outbound_call"}[queue]
    row = {"channel": queue.channel.value, "kind": kind, "subscriber_id": user, "dedupe_key": "k"}
    system.insert("deliveries", row)
    assert due_queues(system) == {queue.queue_name: 1}
    pause(queue)
    assert due_queues(system) == {}
    assert lifecycle.claim(queue, [kind]) is None
    resume(queue)
    assert lifecycle.claim(queue, [kind]) is not None


def due_queues(system: System) -> dict[str, int]:
    return {row["queue_name"]: int(row["due"]) for row in run("maintenance/due_queues", kinds=list(KINDS))}


def test_a_claim_in_progress_finishes(system: System) -> None:
    delivery = text(system)
    claim = lifecycle.claim(SMS, ["urgent_lead_sms"])
    assert claim is not None
    pause()
    assert lifecycle.keep(claim, claim.ids)
    lifecycle.accept(claim, SMS, [SentRecord(delivery, "+13055551234")], "SM1")
    provider_events.store("twilio", [Event("delivered", "SM1:delivered", delivery, "SM1")])
    provider_events.apply()
    assert system.state(delivery) == "delivered"


def test_deliveries_of_a_paused_queue_expire(system: System) -> None:
    pause()
    delivery = text(system)
    system.rows("UPDATE deliveries SET due_at = now() - interval '30 days' RETURNING id")
    sweep(system.database.connection)
    assert system.state(delivery) == "expired"
    assert system.entries(delivery) == [("hold", 10), ("release", 10)]


def test_calls_of_a_paused_queue_are_still_checked_with_twilio(system: System) -> None:
    system.insert(
        "deliveries",
        {"channel": "voice", "kind": "outbound_call", "dedupe_key": "k", "state": "accepted", "check_at": "now"},
    )
    pause(VOICE)
    assert due_queues(system) == {VOICE.queue_name: 1}
    drain.drain_queue(VOICE)
    assert system.value("SELECT check_at > now() FROM deliveries"), "Twilio was asked about the call"


# ── lookups ──


def test_a_lookup_of_a_paused_queue_waits_and_is_answered_after_the_pause(
    system: System, county_api: CountyApi
) -> None:
    county_api.answers(answer(deed(FOLIO)))
    pause(LOOKUPS)
    system.start_worker(LOOKUPS.queue_name, NOTIFIER_TIME_SCALE="1")
    system.wait_until(lambda: system.rows("SELECT FROM lane_status"), "a heartbeat")
    with pytest.raises(LookupPending) as pending:
        notifier.lookup(FOLIO, system.subscriber(), timeout=2.5)
    assert county_api.calls() == []
    resume(LOOKUPS)
    system.wait_until(lambda: client.result(pending.value.lookup_id), "an answer", 5)
    assert (client.result(pending.value.lookup_id) or {})["property"]["owner_name"] == "DOE JANE"


def test_a_lookup_that_waited_too_long_in_a_pause_is_no_failed_call(system: System, county_api: CountyApi) -> None:
    pause(LOOKUPS)
    made = client.request_lookup(FOLIO, system.subscriber())
    assert made.lookup_id is not None
    system.start_worker(LOOKUPS.queue_name)
    system.rows("UPDATE lookups SET expires_at = now() RETURNING id")
    system.wait_until(lambda: system.value("SELECT state FROM lookups") == "failed", "the lookup failed")
    with pytest.raises(LookupFailed, match="paused") as failed:
        client.result(made.lookup_id)
    assert failed.value.code == "queue_paused"
    assert county_api.calls() == []
    for table in ("miami_dade_api_logs", "api_unit_budget", "failed_jobs"):
        assert system.value(f"SELECT count(*) FROM {table}") == 0, table
    assert system.rows("SELECT attempts, units_consumed FROM lookups") == [(0, 0)]


def test_lookups_of_a_paused_queue_are_not_woken_again_and_again(system: System) -> None:
    pause(LOOKUPS)
    client.request_lookup(FOLIO, system.subscriber())
    system.rows(
        "UPDATE lookups SET not_before = now() - interval '5 s', expires_at = now() + interval '1 h' RETURNING id"
    )
    for _ in range(3):
        tasks.sweep_lookups(system.database.connection)
    with redis.Redis.from_url(system.redis_url) as connection:
        assert connection.llen(f"dramatiq:{LOOKUPS.queue_name}") == 0


# ── the functions ──


def actions(system: System) -> list[tuple[Any, ...]]:
    return system.rows(
        "SELECT actor, action, object_type, parameters, reason, rows, done, changed, state, finished_at IS NOT NULL"
        " FROM operator_actions ORDER BY id"
    )


def test_a_pause_and_a_resume_are_recorded_once(system: System) -> None:
    name = SMS.queue_name
    done = [
        pauses.pause(name, actor="cli:pat", reason="why"),
        pauses.pause(name, actor="cli:jo", reason="too"),
        pauses.resume(name, actor="cli:jo", reason="over"),
        pauses.resume(name, actor="cli:pat", reason="again"),
    ]
    assert done == [True, False, True, False]
    rest = ("queue", {"queue": name})
    assert actions(system) == [
        ("cli:pat", "pause", *rest, "why", 1, 1, 1, "done", True),
        ("cli:jo", "resume", *rest, "over", 1, 1, 1, "done", True),
    ]


def test_a_repeated_pause_keeps_who_paused_first_and_why(system: System) -> None:
    pause()
    pauses.pause(SMS.queue_name, actor="cli:jo", reason="something else")
    assert system.rows("SELECT queue_name, paused_by, reason FROM lane_pauses") == [
        (SMS.queue_name, "cli:pat", "Twilio asked us to wait")
    ]


@pytest.mark.parametrize(
    ("queue", "actor", "reason", "why"),
    [
        ("admin-alerts", "cli:pat", "x", "on-call must stay reachable"),
        ("no-such-queue", "cli:pat", "x", "there is no queue 'no-such-queue'"),
        ("sms-notifications", "cli:pat", " \n", "give a reason"),
        ("sms-notifications", "", "x", "say who"),
    ],
)
@pytest.mark.parametrize("change", [pauses.pause, pauses.resume])
def test_a_pause_is_refused_with_its_reason(
    system: System, change: Any, queue: str, actor: str, reason: str, why: str
) -> None:
    with pytest.raises(pauses.PauseRefused, match=why):
        change(queue, actor=actor, reason=reason)
    assert actions(system) == [] == system.rows("SELECT FROM lane_pauses")


def test_every_queue_but_admin_alerts_can_be_paused(system: System) -> None:
    for queue in set(QUEUES) - {"admin-alerts"}:
        assert pauses.pause(queue, actor="cli:pat", reason="x")


def test_nothing_is_kept_of_a_pause_that_is_rolled_back(system: System) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero), system.database.connection.transaction():
        system.rows("SELECT pause_queue('sms-notifications', 'ui:pat', 'x')")
        system.rows("SELECT 1 / 0")
    assert actions(system) == [] == system.rows("SELECT FROM lane_pauses")


# ── for operators ──


def test_the_command_line_pauses_shows_and_resumes(system: System, capsys: pytest.CaptureFixture[str]) -> None:
    def said(*arguments: str, code: int = 0) -> str:
        assert cli.main(arguments) == code
        printed = capsys.readouterr()
        return printed.out + printed.err

    name = SMS.queue_name
    assert said("pause", name, "--reason", "carrier\x1b[31m\nmaintenance") == f"{name} is paused.\n"
    assert said("pause", name, "--reason", "twice") == f"{name} is already paused.\n"
    (line,) = [line for line in said("status").splitlines() if line.startswith(name)]
    assert "cli:" in line and line.endswith(": carrier [31m maintenance")
    assert said("resume", name, "--reason", "over") == f"{name} is resumed.\n"
    assert said("resume", name, "--reason", "over") == f"{name} is not paused.\n"
    assert "on-call must stay reachable" in said("pause", "admin-alerts", "--reason", "x", code=1)
    assert [(action[0].startswith("cli:"), action[1]) for action in actions(system)] == [
        (True, "pause"),
        (True, "resume"),
    ]
    with pytest.raises(SystemExit):
        cli.main(["pause", name])


def alerts(system: System) -> list[str]:
    return [str(alert["body"]["title"]) for alert in system.received("oncall")]


def test_on_call_is_alerted_once_after_an_hour_and_again_when_the_queue_is_resumed(
    system: System, notifier_settings: pytest.MonkeyPatch
) -> None:
    notifier_settings.setenv("NOTIFIER_TIME_SCALE", "1")

    def watched() -> list[str]:
        tasks.alert_on_pauses(system.database.connection)
        return alerts(system)

    pause()
    pause(EMAIL)
    text(system)
    assert watched() == []
    subject = "[warning] The queue sms-notifications is paused"
    system.rows(
        "UPDATE lane_pauses SET paused_at = now() - interval '61 min' WHERE queue_name = %s RETURNING 1", SMS.queue_name
    )
    assert watched() == [subject] == watched()
    (sent,) = system.received("oncall")
    assert "1 deliveries or lookups wait" in str(sent)
    assert "Twilio asked" not in str(sent) and "cli:pat" not in str(sent)
    resume()
    resume(EMAIL)
    assert watched() == [subject, "[info] recovered: The queue sms-notifications is paused"] == watched()


def test_the_leader_watches_the_pauses(system: System) -> None:
    pause()
    system.start_worker(NOTIFIER_TIME_SCALE="0.0001")
    system.wait_until(lambda: alerts(system) == ["[warning] The queue sms-notifications is paused"], "the alert", 20)
