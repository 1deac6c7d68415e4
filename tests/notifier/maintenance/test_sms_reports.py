"""If Twilio accepts texts but later reports that carriers blocked the sender, the SMS queue stops."""

from __future__ import annotations

import pytest

import notifier
from notifier.actors import drain
from notifier.core.queues import SMS
from notifier.deliveries import provider_events
from notifier.deliveries.provider_events import Event
from notifier.maintenance.tasks import watch_sms_reports
from tests.notifier.system import System


@pytest.fixture(autouse=True)
def minutes_take_a_minute(notifier_settings: pytest.MonkeyPatch) -> None:
    notifier_settings.setenv("NOTIFIER_TIME_SCALE", "1")


def send(system: System, count: int = 1) -> list[int]:
    """Enqueue texts and send all due texts; return the delivery ids of the new texts."""
    user = system.subscriber()
    opened = [notifier.urgent_lead_sms.send(user, system.lead()).delivery_id for _ in range(count)]
    drain.drain_queue(SMS)
    return opened


def report(ids: list[int], status: str, code: str = "") -> None:
    """Store and apply Twilio's reports about texts."""
    details = {"code": code} if code else {}
    provider_events.store("twilio", [Event(status, f"{i}:{status}", i, details=details) for i in ids])
    provider_events.apply()


def watch(system: System) -> list[str]:
    """Evaluate the reports the way the leader does; return the error codes that stop the queue."""
    watch_sms_reports(system.database.connection)
    return [code for (code,) in system.rows("SELECT code FROM lane_breakers")]


def trial(system: System) -> int:
    """Make the queue's next trial due and drain the queue; return how many requests Twilio has received so far."""
    system.database.connection.execute("UPDATE lane_breakers SET next_trial_at = now()")
    drain.drain_queue(SMS)
    return len(system.received("twilio"))


@pytest.mark.parametrize("code", ["30034", "30007", "30002"])
def test_five_sms_that_fail_by_the_senders_fault_stop_the_queue_until_one_is_delivered(
    system: System, code: str
) -> None:
    report(send(system, 4), "undelivered", code)
    assert watch(system) == []
    report(send(system), "undelivered", code)
    assert watch(system) == [code]
    assert watch(system) == [code]
    (alert,) = [a["body"]["title"] for a in system.received("oncall")]
    assert f"SMS are not delivered: code {code}" in alert

    waiting = send(system, 3)
    assert len(system.received("twilio")) == 5, "the queue waits"
    assert trial(system) == 6, "one trial, which Twilio accepts"
    drain.drain_queue(SMS)
    assert len(system.received("twilio")) == 6, "an accepted request proves nothing"
    report(waiting[:1], "undelivered", code)
    assert watch(system) == [code]
    assert trial(system) == 7
    report(waiting[1:2], "delivered")
    assert watch(system) == []
    assert "recovered" in system.received("oncall")[-1]["body"]["title"]
    assert trial(system) == 8
    assert watch(system) == [], "the reports of before count no more"


def test_failures_of_recipients_and_a_minority_stop_nothing(system: System) -> None:
    report(send(system, 20), "undelivered", "30005")
    assert watch(system) == []
    report(send(system, 20), "delivered")
    report(send(system, 19), "undelivered", "30007")
    assert watch(system) == []


def test_a_messaging_service_sends_instead_of_a_number(system: System, notifier_settings: pytest.MonkeyPatch) -> None:
    service = "MG" + "0" * 32
    notifier_settings.setenv("TWILIO_MESSAGING_SERVICE_SID", service)
    notifier_settings.delenv("TWILIO_SMS_NUMBER")
    (sent,) = send(system)
    (request,) = system.received("twilio")
    assert request["body"]["MessagingServiceSid"] == service
    assert "From" not in request["body"]
    assert system.rows("SELECT state, sender FROM deliveries WHERE id = %s", sent) == [("accepted", service)]
