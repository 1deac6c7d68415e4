"""Calls need consent, start at a limited rate within the call window, and are charged once for their length.

At most five calls run at a time.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

import pytest

import notifier
from notifier.actors import drain
from notifier.core.errors import UnknownRecipient
from notifier.core.phone_numbers import next_opening
from notifier.core.queues import VOICE
from notifier.deliveries import provider_events
from notifier.deliveries.provider_events import Event
from notifier.maintenance.tasks import mark_due_deliveries
from notifier.voice import outbound
from tests.notifier.system import System

NUMBER = "+13055550177"
OWN_NUMBER = "+17865550100"
ALWAYS = "00:00-23:59:59.999999"


@pytest.fixture
def setting(notifier_settings: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Set the notifier's settings so that calls may start at any hour and without delay."""
    notifier_settings.setenv("CALL_WINDOW", ALWAYS)
    notifier_settings.setenv("CALLS_PER_SECOND", "100")
    return notifier_settings


@pytest.fixture
def caller(setting: pytest.MonkeyPatch, system: System) -> Iterator[Caller]:
    yield Caller(system)


class Caller:
    """A subscriber who has a phone number, a call script, and leads who consented to calls."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.user = system.subscriber(tokens=1000, twilio_phone_number=OWN_NUMBER)
        self.script = system.insert(
            "ai_scripts", {"subscriber_id": self.user, "name": "Spring", "outbound_greeting": "Hello from Pat."}
        )
        self.requests = 0

    def lead(self, number: str | None = NUMBER, consent: bool = True, **columns: Any) -> int:
        if consent:
            self.consent(number)
        return self.system.lead(phone_number=number, **columns)

    def consent(self, number: str | None = NUMBER, **columns: Any) -> None:
        self.system.insert("call_consents", {"subscriber_id": self.user, "phone_number": number or "", **columns})

    def order(self, lead: int | None = None, actor: Any = None) -> int:
        self.requests += 1
        made = (actor or notifier.outbound_call).send(
            subscriber_id=self.user,
            lead_id=self.lead() if lead is None else lead,
            script_id=self.script,
            request_id=f"r{self.requests}",
        )
        return int(made.delivery_id)

    def made(self) -> list[dict[str, Any]]:
        """Return the call requests that Twilio has accepted."""
        return [r for r in self.system.received("twilio") if r["accepted"] and r["path"].endswith("/Calls.json")]

    def outcome(self, delivery: int) -> tuple[str, str | None]:
        (row,) = self.system.rows("SELECT state, error_code FROM deliveries WHERE id = %s", delivery)
        return row[0], row[1]

    def ends(self, delivery: int, status: str = "completed", seconds: int = 60) -> None:
        """Store and apply the event with which Twilio reports the end of a call."""
        details = {"seconds": seconds} if status == "completed" else {"code": status}
        provider_events.store("twilio", [Event(status, f"call{delivery}:{status}", delivery, details=details)])
        provider_events.apply()


def work() -> None:
    drain.drain_queue(VOICE)


@pytest.mark.parametrize("kind", ["outbound_call", "campaign_call"])
def test_twilio_gets_the_subscribers_numbers_limits_and_callbacks(caller: Caller, kind: str) -> None:
    delivery = caller.order(actor=getattr(notifier, kind))
    work()
    (call,) = caller.made()
    fields = parse_qs(call["text"])
    assert fields["To"] == [NUMBER] and fields["From"] == [OWN_NUMBER]
    assert fields["Url"] == [f"https://hooks.leads.test/twilio/voice/outbound?delivery_id={delivery}"]
    assert fields["StatusCallback"][0].startswith(
        f"https://hooks.leads.test/twilio/voice/status?delivery_id={delivery}#"
    )
    assert fields["StatusCallbackEvent"] == ["initiated", "ringing", "answered", "completed"]
    assert (fields["Timeout"], fields["TimeLimit"]) == (["30"], ["180"])
    assert fields["MachineDetection"] == ["DetectMessageEnd"]
    assert "Record" not in fields
    assert caller.outcome(delivery) == ("accepted", None)
    # The tokens are held until the call ends.
    assert caller.system.entries(delivery) == [("hold", 20)]
    assert caller.system.rows("SELECT direction, from_number, to_number, status FROM voice_call_logs") == [
        ("outbound", OWN_NUMBER, NUMBER, "sent")
    ]


def test_a_repeated_request_calls_once(caller: Caller) -> None:
    lead = caller.lead()
    for _ in range(3):
        notifier.outbound_call.send(subscriber_id=caller.user, lead_id=lead, script_id=caller.script, request_id="a")
        work()
    assert len(caller.made()) == 1


def test_longer_calls_hold_more_and_settle_their_price(caller: Caller, setting: pytest.MonkeyPatch) -> None:
    setting.setenv("CALL_MAX_MINUTES", "5")
    delivery = caller.order()
    work()
    assert parse_qs(caller.made()[0]["text"])["TimeLimit"] == ["300"]
    caller.ends(delivery, seconds=190)
    assert caller.system.entries(delivery) == [("hold", 30), ("settle", 25)]
    assert caller.system.balance(caller.user) == 975


def test_a_lead_without_a_number_fails_at_once_and_holds_no_tokens(caller: Caller) -> None:
    for number in (None, "", "n/a"):
        lead = caller.lead(number, consent=False)
        made = notifier.outbound_call.send(
            subscriber_id=caller.user, lead_id=lead, script_id=caller.script, request_id="a"
        )
        assert made.state == "failed"
        assert caller.outcome(made.delivery_id) == ("failed", "no_phone_number")
        assert caller.system.entries(made.delivery_id) == []
        notices = caller.system.rows(
            "SELECT kind FROM deliveries WHERE dedupe_key = %s", f"call_failed:{made.delivery_id}"
        )
        assert notices == [("call_failed",)]
    assert caller.system.value("SELECT count(*) FROM failed_jobs WHERE job_name = 'outbound_call'") == 3
    work()
    assert caller.made() == []


def test_unknown_subscribers_and_leads_are_refused(caller: Caller) -> None:
    with pytest.raises(UnknownRecipient):
        notifier.outbound_call.send(subscriber_id=caller.user, lead_id=4711, script_id=caller.script, request_id="a")


@pytest.mark.parametrize(
    "consents",
    [
        [],
        [{"revoked_at": "2026-01-01"}],
        [{"granted_at": "2099-01-01"}],
        [{"phone_number": "+13055550178"}],
        [{"subscriber_id": None}],
    ],
    ids=["none", "revoked", "not yet", "another number", "another subscriber"],
)
def test_a_lead_without_consent_is_not_called(caller: Caller, consents: list[dict[str, Any]]) -> None:
    for consent in consents:
        if "subscriber_id" in consent:
            consent = {"subscriber_id": caller.system.subscriber()}
        caller.consent(**{"number": consent.pop("phone_number", NUMBER), **consent})
    delivery = caller.order(caller.lead(consent=False))
    work()
    assert caller.made() == []
    assert caller.outcome(delivery) == ("skipped", "no_consent")
    assert caller.system.entries(delivery) == [("hold", 20), ("release", 20)]


def test_consent_matches_however_its_number_is_written(caller: Caller) -> None:
    caller.consent("(305) 555-0177")
    delivery = caller.order(caller.lead("305.555.0177", consent=False))
    work()
    assert [call["body"]["To"] for call in caller.made()] == [NUMBER]
    assert caller.outcome(delivery) == ("accepted", None)


def test_consent_revoked_and_opt_outs_count_while_a_call_waits(caller: Caller) -> None:
    revoked, silenced = caller.order(caller.lead("+13055550181")), caller.order(caller.lead("+13055550182"))
    caller.system.database.connection.execute(
        "UPDATE call_consents SET revoked_at = now() WHERE phone_number = '+13055550181'"
    )
    caller.system.insert("suppressions", {"channel": "voice", "address": "+13055550182", "reason": "stop"})
    work()
    assert caller.made() == []
    assert caller.outcome(revoked) == ("skipped", "no_consent")
    assert caller.outcome(silenced) == ("suppressed", "suppressed")
    assert caller.system.balance(caller.user) == 1000


def test_a_call_that_can_never_be_made_has_its_reason(caller: Caller) -> None:
    change = caller.system.database.connection.execute
    foreign = caller.order(caller.lead("+442079460123"))
    expensive = caller.order(caller.lead("+18765550123"))
    closed = caller.order(caller.lead("+13055550183", status="closed"))
    work()
    change("UPDATE ai_scripts SET is_active = false")
    scriptless = caller.order(caller.lead("+13055550184"))
    work()
    change("UPDATE ai_scripts SET is_active = true")
    change("UPDATE users SET twilio_phone_number = NULL")
    numberless = caller.order(caller.lead("+13055550185"))
    work()
    assert caller.made() == []
    assert caller.outcome(foreign) == ("failed", "foreign_number")
    assert caller.outcome(expensive) == ("failed", "foreign_number")
    assert caller.outcome(closed) == ("cancelled", "lead_closed")
    assert caller.outcome(scriptless) == ("failed", "no_script")
    assert caller.outcome(numberless) == ("failed", "no_twilio_number")
    assert caller.system.balance(caller.user) == 1000


def test_another_subscribers_script_is_not_used(caller: Caller) -> None:
    caller.script = caller.system.insert(
        "ai_scripts", {"subscriber_id": caller.system.subscriber(), "outbound_greeting": "Not yours."}
    )
    delivery = caller.order()
    work()
    assert caller.outcome(delivery) == ("failed", "no_script")


def night() -> str:
    """Return a call window that is now closed in Miami and will open within a day."""
    hour = datetime.now(ZoneInfo("America/New_York")).hour
    return "01:00-02:00" if hour >= 3 else "12:00-13:00"


def test_outside_the_window_a_call_waits_for_the_next_opening(caller: Caller, setting: pytest.MonkeyPatch) -> None:
    setting.setenv("CALL_WINDOW", night())
    opening = next_opening(NUMBER, datetime.now(UTC))
    delivery = caller.order()
    work()
    assert caller.made() == []
    assert caller.outcome(delivery) == ("queued", "outside_call_window")
    assert caller.system.rows("SELECT not_before, attempts FROM deliveries WHERE id = %s", delivery) == [(opening, 0)]
    assert caller.system.entries(delivery) == [("hold", 20)]
    setting.setenv("CALL_WINDOW", ALWAYS)
    caller.system.database.connection.execute("UPDATE deliveries SET not_before = now()")
    work()
    assert len(caller.made()) == 1


@pytest.mark.parametrize("evening", ["2026-03-07 21:00", "2026-10-31 21:00", "2026-11-24 20:00"])
def test_a_call_waits_until_eight_after_a_change_of_clocks(setting: pytest.MonkeyPatch, evening: str) -> None:
    setting.delenv("CALL_WINDOW")
    place = ZoneInfo("America/New_York")
    moment = datetime.fromisoformat(evening).replace(tzinfo=place)
    call = outbound.OutboundCall(
        as_of=moment.astimezone(UTC),
        id=1,
        phone_number=NUMBER,
        twilio_phone_number=OWN_NUMBER,
        greeting="Hello",
        lead_status="new",
        is_suppressed=False,
        has_consent=True,
    )
    held = outbound.objection(call)
    assert held is not None and held.code == "outside_call_window" and held.until is not None
    morning = held.until.astimezone(place)
    assert (morning.date() - moment.date(), morning.hour, morning.minute) == (timedelta(days=1), 8, 0)


def test_the_sixth_call_waits_until_one_of_five_has_ended(caller: Caller) -> None:
    orders = [caller.order(caller.lead(f"+1305555{3000 + n}")) for n in range(6)]
    work()
    assert len(caller.made()) == 5
    (waiting,) = [order for order in orders if caller.outcome(order)[0] == "queued"]
    assert caller.outcome(waiting) == ("queued", "calls_in_progress")
    due = "SELECT not_before > now() FROM deliveries WHERE id = %s"
    assert caller.system.value(due, waiting) is True
    caller.ends(next(order for order in orders if order != waiting), "busy")
    caller.system.database.connection.execute("UPDATE deliveries SET not_before = now() WHERE state = 'queued'")
    work()
    assert len(caller.made()) == 6
    assert caller.outcome(waiting) == ("accepted", None)


def test_concurrent_claims_start_five_calls(caller: Caller) -> None:
    for n in range(20):
        caller.order(caller.lead(f"+1305555{3000 + n}"))
    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(caller.made()) == 5
    assert caller.system.states() == {"accepted": 5, "queued": 15}


def test_a_breakers_trial_respects_the_limit_of_five_calls(caller: Caller) -> None:
    for n in range(6):
        caller.order(caller.lead(f"+1305555{3000 + n}"))
    work()
    caller.system.database.connection.execute(
        "INSERT INTO lane_breakers (queue_name, next_trial_at) VALUES ('voice-assistant', now())"
    )
    caller.system.database.connection.execute("UPDATE deliveries SET not_before = now() WHERE state = 'queued'")
    work()
    assert len(caller.made()) == 5


def test_a_call_without_a_reported_end_counts_only_as_long_as_it_can_last(caller: Caller) -> None:
    for n in range(6):
        caller.order(caller.lead(f"+1305555{3000 + n}"))
    work()
    caller.system.database.connection.execute(
        "UPDATE deliveries SET accepted_at = now() - interval '5 minutes', check_at = NULL WHERE state = 'accepted'"
    )
    caller.system.database.connection.execute("UPDATE deliveries SET not_before = now() WHERE state = 'queued'")
    work()
    assert len(caller.made()) == 6


def test_calls_start_no_faster_than_the_account_allows(caller: Caller, setting: pytest.MonkeyPatch) -> None:
    setting.setenv("CALLS_PER_SECOND", "4")
    for n in range(4):
        caller.order(caller.lead(f"+1305555{3000 + n}"))
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    moments = sorted(call["at"] for call in caller.made())
    assert len(moments) == 4
    assert moments[-1] - moments[0] > 0.6


def test_a_call_with_unknown_outcome_is_never_made_again_and_found_at_twilio(caller: Caller) -> None:
    caller.system.fault("twilio", then="reset", accept=True, times=1, match="Calls")
    delivery = caller.order()
    work()
    assert caller.outcome(delivery) == ("unknown", "no_answer")
    caller.system.database.connection.execute("UPDATE deliveries SET check_at = now()")
    work()
    (call,) = caller.made()
    assert caller.system.rows("SELECT state, provider_id FROM deliveries WHERE id = %s", delivery) == [
        ("accepted", call["made"]["sid"])
    ]
    assert caller.system.entries(delivery) == [("hold", 20)]


def test_a_call_unknown_to_twilio_is_parked_released_and_reported(system: System, caller: Caller) -> None:
    from leads import database
    from notifier.maintenance.sweep import sweep

    system.fault("twilio", then="reset", times=1, match="Calls")
    delivery = caller.order()
    work()
    system.database.connection.execute("UPDATE deliveries SET check_at = now()")
    work()
    assert caller.outcome(delivery)[0] == "unknown", "a missing record at Twilio proves nothing yet"
    system.database.connection.execute("UPDATE deliveries SET updated_at = now() - interval '1 hour'")
    with database.connect("test") as connection:
        sweep(connection)
    assert caller.outcome(delivery)[0] == "parked"
    assert system.entries(delivery) == [("hold", 20), ("release", 20)]
    assert system.value("SELECT kind FROM deliveries WHERE dedupe_key = %s", f"call_failed:{delivery}") == "call_failed"
    assert caller.made() == []


def test_another_call_to_the_same_number_is_not_proof(caller: Caller) -> None:
    lead = caller.lead()
    caller.order(lead)
    work()
    caller.system.fault("twilio", then="reset", times=1, match="Calls")
    delivery = caller.order(lead)
    work()
    caller.system.database.connection.execute("UPDATE deliveries SET check_at = now() WHERE state = 'unknown'")
    work()
    assert caller.outcome(delivery)[0] == "unknown"


def test_a_call_with_lost_callbacks_is_reconciled_and_settled(caller: Caller) -> None:
    delivery = caller.order()
    work()
    sid = caller.made()[0]["made"]["sid"]
    became = {"sid": sid, "status": "completed", "duration": "75", "answered_by": "human"}
    caller.system._control("POST", "became", json.dumps(became).encode())
    work()
    assert caller.outcome(delivery)[0] == "accepted", "Twilio is not asked before the call can have ended"
    caller.system.database.connection.execute("UPDATE deliveries SET check_at = now()")
    work()
    assert caller.outcome(delivery) == ("delivered", None)
    assert caller.system.entries(delivery) == [("hold", 20), ("settle", 20)]
    assert caller.system.rows("SELECT status, engagement_count FROM leads") == [("contacted", 1)]


@pytest.mark.parametrize(
    ("became", "state", "end"),
    [
        ({"status": "completed", "duration": "75"}, "delivered", ("settle", 20)),
        ({"status": "busy"}, "undelivered", ("release", 20)),
        ({"status": "in-progress"}, "undelivered", ("release", 20)),
        (None, "undelivered", ("release", 20)),
    ],
)
def test_a_call_without_a_reported_end_is_checked_once_more_and_then_given_up(
    caller: Caller, became: dict[str, str] | None, state: str, end: tuple[str, int]
) -> None:
    system = caller.system
    delivery = caller.order()
    work()
    sid = caller.made()[0]["made"]["sid"]
    system.became(sid, **(became or {"status": "in-progress"}))
    system.database.connection.execute("UPDATE deliveries SET check_at = now()")
    if became is None:
        system.fault("twilio", status=404, body={"code": 20404, "message": "not found"}, match="Calls/")
    work()
    if end[0] == "release" and (became is None or became["status"] == "in-progress"):
        assert system.entries(delivery) == [("hold", 20)], "the tokens are released only after 72 hours"
        system.database.connection.execute(
            "UPDATE deliveries SET check_at = now(), accepted_at = accepted_at - interval '73 hours' * 0.01"
        )
        work()
        assert caller.outcome(delivery) == ("undelivered", "never_told")
        assert system.rows("SELECT provider, event FROM delivery_events WHERE event = 'never_told'") == [
            ("notifier", "never_told")
        ]
        assert len(system.received("oncall")) == 1
    assert caller.outcome(delivery)[0] == state
    assert system.entries(delivery) == [("hold", 20), end]
    if caller.outcome(delivery)[1] == "never_told":
        caller.ends(delivery)
        assert caller.outcome(delivery) == ("delivered", None), "a late event still corrects the state"
        assert system.entries(delivery) == [("hold", 20), end], "a late event charges nobody again"


def test_changes_while_a_call_waits_for_its_turn_count(caller: Caller, setting: pytest.MonkeyPatch) -> None:
    setting.setenv("CALLS_PER_SECOND", "0.5")
    first, second = caller.order(), caller.order(caller.lead("+13055550188"))
    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    turns = "SELECT next_start_at > now() + interval '2 seconds' FROM call_pace"
    caller.system.wait_until(lambda: caller.system.value(turns), "both have a turn")
    caller.system.database.connection.execute("UPDATE call_consents SET revoked_at = now()")
    for thread in threads:
        thread.join()
    assert [caller.outcome(one)[0] for one in (first, second)].count("skipped") >= 1
    assert len(caller.made()) <= 1


def test_a_refused_call_is_retried_three_times_and_then_reported(caller: Caller) -> None:
    caller.system.fault("twilio", status=503)
    delivery = caller.order()
    deadline = time.monotonic() + 30
    while caller.outcome(delivery)[0] == "queued" and time.monotonic() < deadline:
        mark_due_deliveries(caller.system.database.connection)
        work()
        time.sleep(0.1)
    assert caller.outcome(delivery)[0] == "dead"
    assert caller.system.value("SELECT attempts FROM deliveries WHERE id = %s", delivery) == 4
    assert caller.system.entries(delivery) == [("hold", 20), ("release", 20)]
    assert caller.system.value("SELECT count(*) FROM deliveries WHERE kind = 'call_failed'") == 1


def test_without_the_public_address_no_call_starts_and_on_call_is_alerted(
    caller: Caller, setting: pytest.MonkeyPatch
) -> None:
    setting.delenv("API_URL")
    delivery = caller.order()
    work()
    assert caller.outcome(delivery) == ("queued", "missing_setting")
    assert caller.made() == []
    assert caller.system.received("oncall")


def test_an_inbound_call_that_the_webhook_missed_is_completed_from_twilio(caller: Caller) -> None:
    """The webhook was down during the inbound call, so the call has no delivery."""
    outbound = caller.order()
    work()
    sid = caller.made()[0]["made"]["sid"]
    numbers = {"to": OWN_NUMBER, "from": NUMBER, "from_formatted": "(305) 555-0177"}
    caller.system.became(sid, status="completed", duration="200", **numbers)
    caller.system.database.connection.execute("UPDATE deliveries SET provider_id = NULL, state = 'cancelled'")
    delivery = notifier.inbound_call.send(call_sid=sid).delivery_id
    assert notifier.inbound_call.send(sid).delivery_id == delivery
    work()
    assert caller.outcome(delivery) == ("delivered", None)
    assert caller.system.rows(
        "SELECT subscriber_id, direction, from_number, to_number FROM voice_call_logs WHERE twilio_call_sid = %s", sid
    ) == [(caller.user, "inbound", NUMBER, OWN_NUMBER)]
    assert caller.system.entries(delivery) == [("hold", 20), ("settle", 20)]
    assert outbound != delivery


def test_an_inbound_call_unknown_to_twilio_fails(caller: Caller) -> None:
    delivery = notifier.inbound_call.send(call_sid="CAnothing").delivery_id
    work()
    assert caller.outcome(delivery) == ("failed", "no_such_call")


def test_a_real_worker_calls_and_logs_no_number(caller: Caller) -> None:
    system = caller.system
    system.start_worker("voice-assistant")
    orders = [caller.order(caller.lead(f"+1305555{3000 + n}")) for n in range(2)]
    refused = caller.order(caller.lead("+13055553999", consent=False))
    system.wait_until(lambda: len(caller.made()) == 2, "two calls started")
    system.wait_until(lambda: caller.outcome(refused)[0] == "skipped", "no consent found")
    system.wait_until(lambda: all(caller.outcome(order)[0] == "accepted" for order in orders), "both accepted")
    said = system.output()
    assert "5555" not in said and OWN_NUMBER not in said
