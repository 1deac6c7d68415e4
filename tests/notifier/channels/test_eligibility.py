"""The worker checks a delivery's eligibility just before sending it, and sends deliveries in the right order."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest

import notifier
from notifier.actors import drain
from notifier.channels import sms
from notifier.core.db import rows
from notifier.core.queues import EMAIL, SMS
from notifier.deliveries import lifecycle
from tests.notifier.system import System


@pytest.mark.parametrize(
    ("preferences", "code"),
    [
        ({"lead_alerts": False}, "preference"),
        ({"lead_score_threshold": 96}, "score_threshold"),
        ({"max_daily_emails": 0}, "daily_cap"),
        ({"lead_alerts": "false"}, "preference"),
        ({"lead_score_threshold": "high", "max_daily_emails": None, "lead_alerts": "yes"}, None),
    ],
)
def test_preferences_apply_at_the_moment_of_sending(
    system: System, preferences: dict[str, Any], code: str | None
) -> None:
    user = system.subscriber(tokens=10, email_preferences=preferences)
    opened = notifier.new_lead_alert.send(user, system.lead())
    assert system.outcome(opened) == (("skipped", code) if code else ("accepted", None))
    assert system.balance(user) == (10 if code else 9)


def test_the_daily_cap_sends_the_best_leads_first(system: System) -> None:
    user = system.subscriber(email_preferences={"max_daily_emails": 2})
    opened = [notifier.new_lead_alert.send(user, system.lead(lead_score=score)) for score in (70, 95, 80)]
    assert [system.outcome(one) for one in opened] == [
        ("skipped", "daily_cap"),
        ("accepted", None),
        ("accepted", None),
    ]
    assert system.outcome(notifier.new_lead_alert.send(user, system.lead())) == ("skipped", "daily_cap")


def test_two_concurrent_claims_respect_the_daily_cap(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    user = system.subscriber(email_preferences={"max_daily_emails": 1})
    first = notifier.new_lead_alert.send(user, system.lead())
    claimed, may_commit = Event(), Event()
    claim = lifecycle._claim_rows

    def slow(cursor: Any, *arguments: Any) -> Any:
        """Delay the commit of the first claim."""
        taken = claim(cursor, *arguments)
        if not claimed.is_set():
            cursor.fetchall()
            cursor.scroll(0, mode="absolute")
            claimed.set()
            may_commit.wait(10)
        return taken

    monkeypatch.setattr(lifecycle, "_claim_rows", slow)
    system.fault("sendgrid", seconds=1)
    with ThreadPoolExecutor(2) as workers:
        one = workers.submit(drain.drain_queue, EMAIL)
        assert claimed.wait(10)
        second = notifier.new_lead_alert.send(user, system.lead())
        other = workers.submit(drain.drain_queue, EMAIL)
        time.sleep(0.5)
        may_commit.set()
        one.result(30), other.result(30)
    assert [system.state(opened.delivery_id) for opened in (first, second)] == ["accepted", "skipped"]
    assert len(system.accepted_emails()) == 1


@pytest.mark.parametrize(("reason", "receipt"), [("unsubscribed", "accepted"), ("bounce", "suppressed")])
def test_unsubscribed_addresses_still_get_receipts_and_bounced_ones_get_nothing(
    system: System, reason: str, receipt: str
) -> None:
    user = system.subscriber(email="Pat@Example.test")
    system.insert("suppressions", {"channel": "email", "address": "pat@example.test", "reason": reason})
    assert system.outcome(notifier.new_lead_alert.send(user, system.lead())) == ("suppressed", "suppressed")
    assert system.outcome(notifier.payment_receipt.send(user, "ch_1", 100, 1))[0] == receipt
    assert system.balance(user) == 1000


@pytest.mark.parametrize("status", ["closed", "converted"])
def test_a_closed_lead_is_not_sent(system: System, status: str) -> None:
    user = system.subscriber()
    assert system.outcome(notifier.new_lead_alert.send(user, system.lead(status=status)))[0] == "cancelled"
    assert system.balance(user) == 1000


def test_a_subscriber_without_an_address_is_not_charged(system: System) -> None:
    user = system.subscriber(email=None, phone_number=None)
    lead = system.lead()
    assert system.outcome(notifier.new_lead_alert.send(user, lead)) == ("failed", "no_email")
    assert system.outcome(notifier.urgent_lead_sms.send(user, lead)) == ("failed", "no_phone_number")
    assert system.balance(user) == 1000


def test_a_malformed_address_does_not_stop_the_others(system: System) -> None:
    lead = system.lead()
    odd = notifier.new_lead_alert.send(system.subscriber(email="nobody"), lead)
    good = notifier.new_lead_alert.send(system.subscriber(), lead)
    assert system.outcome(odd) == ("failed", "invalid_email")
    assert system.outcome(good) == ("accepted", None)


def test_codes_and_receipts_are_sent_before_alerts(system: System) -> None:
    user, lead = system.subscriber(), system.lead()
    notifier.new_lead_alert.send(user, lead)
    notifier.payment_receipt.send(user, "ch_1", 100, 1)
    notifier.urgent_lead_sms.send(user, lead)
    notifier.verification_sms.send(user, "482913")
    drain.drain_queue(EMAIL)
    drain.drain_queue(SMS)
    templates = [request["body"]["template_id"] for request in system.received("sendgrid")]
    assert templates == ["d-payment_receipt", "d-new_lead_alert"]
    assert [t["body"]["Body"][:4] for t in system.received("twilio")] == ["Your", "Prob"]


def test_a_row_that_cannot_be_composed_does_not_stop_the_others(system: System) -> None:
    user = system.subscriber()
    system.rows(
        "SELECT * FROM open_deliveries(ARRAY[ROW ('payment_receipt', %s, NULL, 'odd', NULL, NULL, '{}', NULL)"
        "::delivery_request])",
        user,
    )
    good = notifier.payment_receipt.send(user, "ch_1", 100, 1)
    assert system.outcome(good) == ("accepted", None)
    assert system.rows("SELECT state, error_code FROM deliveries WHERE dedupe_key = 'odd'") == [
        ("failed", "not_composed")
    ]


def test_an_sms_goes_to_the_number_in_e164_or_nowhere(system: System) -> None:
    lead = system.lead()
    typed = [system.subscriber(phone_number=text) for text in ("(305) 555-0101", "305.555.0102", " +13055550106 ")]
    sent = [notifier.urgent_lead_sms.send(user, lead) for user in typed]
    unreadable = [system.subscriber(phone_number=text) for text in ("call me", "555-0101", "+1 305 555 01019", "")]
    failed = [notifier.urgent_lead_sms.send(user, lead) for user in unreadable]
    assert [system.outcome(one) for one in sent] == [("accepted", None)] * 3
    assert [system.outcome(one) for one in failed] == [("failed", "no_phone_number")] * 4
    assert sorted(system.accepted_sms_numbers()) == ["+13055550101", "+13055550102", "+13055550106"]
    assert len(system.received("twilio")) == 3
    assert [system.balance(user) for user in unreadable] == [system.balance(system.subscriber())] * 4


@pytest.mark.parametrize("number", ["+881612345678", "+18765550123"])
def test_nothing_is_sent_to_satellites_and_countries_that_are_not_allowed(system: System, number: str) -> None:
    user = system.subscriber(tokens=0, phone_number=number)
    codes = [notifier.verification_sms.send(user, f"48291{n}") for n in range(3)]
    alert = notifier.urgent_lead_sms.send(system.subscriber(phone_number=number), system.lead())
    assert [system.outcome(one) for one in [*codes, alert]] == [("skipped", "foreign_number")] * 4
    assert system.received("twilio") == []
    assert system.rows("SELECT * FROM failed_jobs") == []


def hour_later(system: System) -> None:
    system.database.connection.execute("UPDATE deliveries SET claimed_at = claimed_at - interval '1 hour'")


def test_one_number_gets_five_codes_in_an_hour_whoever_requests_them(system: System) -> None:
    users = [system.subscriber(tokens=0, phone_number=text) for text in ("305 555 0101", "+13055550101")]
    opened = [notifier.verification_sms.send(users[n % 2], f"48291{n}") for n in range(8)]
    states = sorted(system.outcome(one) for one in opened)
    assert states == [("accepted", None)] * 5 + [("skipped", "codes_per_number")] * 3
    assert len(system.accepted_sms_numbers()) == 5
    hour_later(system)
    assert system.outcome(notifier.verification_sms.send(users[0], "999999")) == ("accepted", None)


def test_one_subscriber_gets_ten_codes_in_an_hour_whatever_the_number(system: System) -> None:
    user, other = system.subscriber(tokens=0), system.subscriber()
    ends = []
    for n in range(12):
        system.database.connection.execute(
            "UPDATE users SET phone_number = %s WHERE id = %s", (f"+130555510{n:02}", user)
        )
        ends.append(system.outcome(notifier.verification_sms.send(user, f"4829{n:02}")))
    assert ends == [("accepted", None)] * 10 + [("skipped", "codes_per_subscriber")] * 2
    assert system.outcome(notifier.verification_sms.send(other, "482999")) == ("accepted", None)


def test_all_codes_together_are_limited_and_on_call_is_alerted(
    system: System, notifier_settings: pytest.MonkeyPatch
) -> None:
    notifier_settings.setenv("CODES_PER_HOUR", "3")

    def slow(cursor: Any, name: str, **parameters: Any) -> Any:
        """Delay the commit after the codes are counted."""
        counted = rows(cursor, name, **parameters)
        time.sleep(0.05)
        return counted

    notifier_settings.setattr(sms, "rows", slow)
    users = [system.subscriber(phone_number=f"+130555510{n:02}") for n in range(20)]
    for user in users:
        notifier.verification_sms.send(user, "482913")
    with ThreadPoolExecutor(8) as workers:
        list(workers.map(lambda _: drain.drain_queue(SMS), range(8)))
    assert len(system.accepted_sms_numbers()) == 3
    assert system.rows("SELECT error_code, count(*) FROM deliveries GROUP BY 1 ORDER BY 1") == [
        ("codes_per_hour", 17),
        (None, 3),
    ]
    system.wait_until(lambda: system.received("oncall"), "an alert")
    # The limit applies only to texts with verification codes.
    assert system.outcome(notifier.urgent_lead_sms.send(users[0], system.lead())) == ("accepted", None)
