"""Each message has the right wording, recipient and sender."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import notifier
from notifier.actors import drain
from notifier.core.queues import EMAIL, SMS
from notifier.messages import gsm
from tests.notifier.system import System

TODAY = datetime.now(UTC).date().isoformat()


def email_of(system: System, opened: Any) -> dict[str, Any]:
    """Send all due e-mails.

    Check that the delivery has exactly one e-mail; return the e-mail as the provider received it.
    """
    drain.drain_queue(EMAIL)
    requests = [
        (request["body"], person)
        for request in system.received("sendgrid")
        for person in request["body"]["personalizations"]
        if person["custom_args"]["delivery_id"] == str(opened.delivery_id)
    ]
    ((body, person),) = requests
    return {
        "from": body["from"]["email"],
        "template": body["template_id"],
        "to": person["to"][0]["email"],
        "headers": person.get("headers", {}),
        "data": person["dynamic_template_data"],
    }


def announced(system: System, **columns: Any) -> int:
    return system.lead(announced_at=datetime.now(UTC) - timedelta(hours=1), **columns)


def reader(system: System, **columns: Any) -> int:
    """Add a subscriber who wants alerts for probate and foreclosure leads in all cities."""
    user = system.subscriber(**columns)
    types = ["probate", "foreclosure"]
    system.insert("subscriber_lead_criteria", {"subscriber_id": user, "lead_types": types, "channels": ["email"]})
    return user


def test_a_lead_alert_has_the_templates_fields_and_one_click_unsubscribing(system: System) -> None:
    user = system.subscriber(tokens=10)
    sent = email_of(system, notifier.new_lead_alert.send(user, system.lead(estimated_equity=125_000)))
    assert (sent["from"], sent["template"]) == ("leads@leads.test", "d-new_lead_alert")
    assert sent["headers"]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert sent["headers"]["List-Unsubscribe"] == f"<{sent['data']['unsubscribe_url']}>"
    assert sent["data"] | {"view_lead_url": "", "unsubscribe_url": ""} == {
        "subscriber_name": "Pat",
        "lead_type": "probate",
        "lead_type_display": "Probate",
        "lead_score": 95,
        "property_address": "1200 NW 7 ST, Miami",
        "owner_name": "GARCIA MARIA",
        "estimated_equity": "$125,000",
        "property_type": "",
        "building_sqft": 1500,
        "lot_size_acres": None,
        "year_built": None,
        "motivation_indicators": ["Property is part of an estate in probate", "High equity"],
        "lead_date": "2026-11-20",
        "view_lead_url": "",
        "dashboard_url": "https://app.leads.test/dashboard",
        "settings_url": "https://app.leads.test/settings",
        "unsubscribe_url": "",
        "token_balance": 9,
    }


def test_a_welcome_describes_the_account_and_is_free(system: System) -> None:
    user = system.subscriber(tokens=100, subscription_type="pro")
    sent = email_of(system, notifier.welcome_email.send(user))
    assert sent["from"] == "welcome@leads.test"
    assert sent["headers"] == {}
    assert sent["data"] == {
        "first_name": "Pat",
        "account_type": "pro",
        "token_balance": 100,
        "setup_guide_url": "https://app.leads.test/setup",
        "dashboard_url": "https://app.leads.test/dashboard",
        "support_email": "support@leads.test",
    }
    assert system.balance(user) == 100
    assert not notifier.welcome_email.send(user).is_new


def test_a_receipt_shows_the_booked_balance_and_cannot_be_unsubscribed_from(system: System) -> None:
    user = system.subscriber(tokens=1500)
    sent = email_of(system, notifier.payment_receipt.send(user, "ch_1", 4900, 1000))
    assert sent["headers"] == {}
    assert sent["data"] == {
        "customer_name": "Pat",
        "charge_id": "ch_1",
        "amount_paid": "$49.00",
        "tokens_purchased": 1000,
        "new_balance": 1500,
        "invoice_url": "https://app.leads.test/invoices/ch_1",
        "support_email": "support@leads.test",
    }


def test_an_extended_trial_gets_a_new_reminder(system: System) -> None:
    user = system.subscriber(trial_ends_at="2026-12-01 23:30:00-05", tokens=30)
    email_of(system, notifier.new_lead_alert.send(user, system.lead()))
    first = notifier.expiring_trial.send(user, days_remaining=7)
    sent = email_of(system, first)
    assert "List-Unsubscribe" in sent["headers"]
    assert sent["data"] == {
        "subscriber_name": "Pat",
        "days_remaining": 7,
        "trial_end_date": "December 1, 2026",
        "tokens_used": 1,
        "tokens_remaining": 29,
        "upgrade_url": "https://app.leads.test/upgrade",
    }
    assert not notifier.expiring_trial.send(user, 7).is_new
    system.database.connection.execute("UPDATE users SET trial_ends_at = trial_ends_at + interval '1 month'")
    assert notifier.expiring_trial.send(user, 7).is_new


def test_a_digest_has_the_matching_leads_since_the_previous_one(system: System) -> None:
    user = reader(system, tokens=5)
    leads = [announced(system, lead_score=score) for score in range(60, 85)]
    announced(system, lead_type="eviction")
    announced(system, status="closed")
    sent = email_of(system, notifier.daily_digest.send(user, TODAY))
    data = sent["data"]
    assert sent["from"] == "digest@leads.test"
    assert "List-Unsubscribe" in sent["headers"]
    assert (data["total_leads"], data["avg_score"], data["lead_type_breakdown"]) == (25, 72, {"Probate": 25})
    assert [lead["score"] for lead in data["leads"]] == list(range(84, 64, -1))
    assert data["leads"][0] == {
        "address": "1200 NW 7 ST, Miami",
        "owner": "GARCIA MARIA",
        "type": "Probate",
        "score": 84,
        "equity": "",
        "url": f"https://app.leads.test/leads/{leads[-1]}",
    }
    assert system.balance(user) == 4
    again = notifier.daily_digest.send(user, "2026-11-21")
    assert system.outcome(again) == ("skipped", "no_new_leads")
    assert system.balance(user) == 4


def test_an_empty_digest_is_sent_only_on_request(system: System) -> None:
    user = reader(system, tokens=5, email_preferences={"skip_empty_digests": False})
    assert email_of(system, notifier.daily_digest.send(user, TODAY))["data"]["leads"] == []
    assert system.balance(user) == 4


def test_a_report_counts_the_outcome_of_the_weeks_leads(system: System) -> None:
    user = system.subscriber()
    monday = (datetime.now(UTC) - timedelta(days=datetime.now(UTC).weekday() + 1)).date()
    for status in ("new", "new", "contacted", "converted"):
        notifier.new_lead_alert.send(user, lead := system.lead(lead_score=80))
        drain.drain_queue(EMAIL)
        system.database.connection.execute("UPDATE leads SET status = %s WHERE id = %s", (status, lead))
    data = email_of(system, notifier.weekly_report.send(user, monday))["data"]
    assert {name: data[name] for name in data if "week" not in name} == {
        "subscriber_name": "Pat",
        "total_leads": 4,
        "leads_contacted": 2,
        "contact_rate": "50.0%",
        "leads_converted": 1,
        "conversion_rate": "25.0%",
        "avg_lead_score": 80,
        "top_lead_type": "Probate",
        "top_city": "Miami",
        "dashboard_url": "https://app.leads.test/dashboard",
    }


def test_a_low_balance_is_reported_once_until_the_next_grant(system: System) -> None:
    user = system.subscriber(tokens=505)
    for _ in range(2):
        notifier.urgent_lead_sms.send(user, system.lead())
        drain.drain_queue(SMS)
    (opened,) = system.rows("SELECT id, dedupe_key FROM deliveries WHERE kind = 'low_token_balance'")
    settled = system.value("SELECT min(id) FROM token_entries WHERE entry = 'settle'")
    assert opened[1] == f"low:{user}:{settled}"
    system.database.connection.execute("UPDATE users SET token_balance = token_balance + 20")
    notifier.urgent_lead_sms.send(user, system.lead())
    drain.drain_queue(SMS)
    assert system.value("SELECT count(*) FROM deliveries WHERE kind = 'low_token_balance'") == 2
    drain.drain_queue(EMAIL)
    assert {m["from"]["email"] for m in (r["body"] for r in system.received("sendgrid"))} == {"support@leads.test"}


def test_a_verification_code_is_always_sent_and_never_kept(system: System) -> None:
    user = system.subscriber(tokens=3)
    opened = notifier.verification_sms.send(user, "482913")
    stored = system.value("SELECT params::text FROM deliveries")
    assert "482913" not in stored and "secret" in stored
    assert system.outcome(opened) == ("accepted", None)
    (text,) = system.received("twilio")
    assert text["body"]["Body"] == "Your verification code is 482913. It expires in 10 minutes. Do not share it."
    assert system.rows("SELECT params, body, tokens FROM deliveries") == [
        ({}, "Your verification code is ******. It expires in 10 minutes. Do not share it.", 0)
    ]
    assert system.balance(user) == 3
    assert "482913" not in str(system.rows("SELECT * FROM deliveries"))
    with pytest.raises(ValueError, match="3 to 12"):
        notifier.verification_sms.send(user, "no code")


def test_a_verification_code_costs_its_price(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERIFICATION_SMS_TOKENS", "4")
    user = system.subscriber(tokens=30)
    first = notifier.verification_sms.send(user, "482913")
    assert system.outcome(first) == ("accepted", None)
    assert system.entries(first.delivery_id) == [("hold", 4), ("settle", 4)]


@pytest.mark.parametrize("front", ["https://app.leads.test", "https://x.test/~" + "a" * 100, "https://" + "a" * 160])
@pytest.mark.parametrize("address", ["1200 NW 7 ST", "Ñandú " * 40, "[{~€}] 東京"])
def test_an_sms_is_one_segment_in_the_gsm_alphabet(
    system: System, monkeypatch: pytest.MonkeyPatch, front: str, address: str
) -> None:
    monkeypatch.setenv("FRONTEND_URL", front)
    lead = system.lead()
    system.database.connection.execute("UPDATE properties SET address = %s", (address,))
    assert system.outcome(notifier.urgent_lead_sms.send(system.subscriber(), lead))[0] == "accepted"
    body = system.received("twilio")[0]["body"]["Body"]
    assert gsm.is_gsm(body) and gsm.septets(body) <= 160
    assert body.startswith("Probate lead (score 95): ")


def test_the_subscriber_of_a_failed_call_is_notified_once(system: System) -> None:
    from notifier.core.queues import VOICE
    from notifier.core.states import State
    from notifier.deliveries import lifecycle
    from notifier.deliveries.enqueue import DeliveryRequest, enqueue_deliveries

    user = system.subscriber()
    (call,) = enqueue_deliveries([DeliveryRequest("outbound_call", "call:1", user, system.lead())])
    claimed = lifecycle.claim(VOICE, ["outbound_call"])
    assert claimed is not None
    lifecycle.end(claimed, [call.delivery_id], State.FAILED, "no_phone_number")
    assert not notifier.call_failed.send(user, call.delivery_id).is_new
    drain.drain_queue(EMAIL)
    (request,) = system.received("sendgrid")
    data = request["body"]["personalizations"][0]["dynamic_template_data"]
    assert data["reason"] == "the lead has no phone number"
    assert data["tokens_returned"] == 20
    assert data["property_address"] == "1200 NW 7 ST, Miami"


EVIL = "WIN $500 AT HTTP://EVIL.EXAMPLE/A OR CALL"


def test_a_recorded_text_does_not_become_our_message(system: System) -> None:
    lead = system.lead()
    system.database.connection.execute(
        "UPDATE properties SET address = %s, owner_name = %s, city = %s", (EVIL, f"{EVIL}\n\u202e" * 50, "EVIL.EXAMPLE")
    )
    notifier.urgent_lead_sms.send(system.subscriber(), lead)
    drain.drain_queue(SMS)
    (body,) = [request["body"]["Body"] for request in system.received("twilio")]
    assert body == (f"Probate lead (score 95): address unknown https://app.leads.test/leads/{lead} Reply STOP to end")
    data = email_of(system, notifier.new_lead_alert.send(system.subscriber(), lead))["data"]
    assert data["property_address"] == "address unknown"
    assert data["owner_name"] == ("WIN 500 AT HTTP EVIL. EXAMPLE/A OR CALL " * 9)[: len(data["owner_name"])]
    assert len(data["owner_name"]) <= 100
