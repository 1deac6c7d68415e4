"""Functions that turn an actor's arguments into a delivery request. Each delivery kind has one function.

The DAGs do not call these functions, but enqueue deliveries with the SQL function ``open_deliveries``. For the same
delivery, that SQL function and the function in this module must produce the same dedupe key and the same ``params``.
``params`` contains the actor's arguments by name, except the subscriber and the lead. The content of a delivery is
composed when the delivery is sent.

| kind | dedupe key | params |
| --- | --- | --- |
| new_lead_alert | lead:{lead}:user:{user}:new_lead_alert | |
| daily_digest | digest:{user}:{day} | {"day": "2026-11-20"} |
| weekly_report | report:{user}:{week_start} | {"week_start": "2026-11-16"} |
| welcome_email | welcome:{user} | |
| low_token_balance | low:{user}:{settle entry} | |
| call_failed | call_failed:{delivery} | {"delivery_id": 17} |
| expiring_trial | trial_key({user}, {days}) in SQL | {"days_remaining": 7} |
| payment_receipt | receipt:{charge} | {"stripe_charge_id": "ch_1", "amount": 4900, "tokens_purchased": 1000} |
| urgent_lead_sms | lead:{lead}:user:{user}:urgent_lead_sms | |
| verification_sms | otp:{user}:{mark}:{minute} | {"secret": …} |
| outbound_call, campaign_call | call:{user}:{lead}:{script}:{request} | {"script_id": 3, "request_id": "r-1"} |
| inbound_call | inbound:{call_sid} | {"call_sid": "CA…"} |
"""

from __future__ import annotations

import time
from datetime import date

from notifier.core import pricing
from notifier.core.settings import settings
from notifier.deliveries.enqueue import DeliveryRequest
from notifier.messages import links, verification_codes


def new_lead_alert(subscriber_id: int, lead_id: int) -> DeliveryRequest:
    """Return the request for an e-mail about a lead."""
    key = f"lead:{lead_id}:user:{subscriber_id}:new_lead_alert"
    return DeliveryRequest("new_lead_alert", key, int(subscriber_id), int(lead_id))


def daily_digest(subscriber_id: int, day: str | date) -> DeliveryRequest:
    """Return the request for a digest. Raises ValueError unless ``day`` is an ISO date."""
    iso = _iso(day)
    return DeliveryRequest("daily_digest", f"digest:{subscriber_id}:{iso}", int(subscriber_id), params={"day": iso})


def weekly_report(subscriber_id: int, week_start: str | date) -> DeliveryRequest:
    """Return the request for a report. Raises ValueError unless ``week_start`` is an ISO date."""
    iso = _iso(week_start)
    key, params = f"report:{subscriber_id}:{iso}", {"week_start": iso}
    return DeliveryRequest("weekly_report", key, int(subscriber_id), params=params)


def welcome_email(subscriber_id: int) -> DeliveryRequest:
    """Return the request for a welcome e-mail. Each subscriber gets only one welcome e-mail."""
    return DeliveryRequest("welcome_email", f"welcome:{subscriber_id}", int(subscriber_id))


def low_token_balance(subscriber_id: int) -> DeliveryRequest:
    """Return the request for a low-balance warning. The database adds the last settle entry to the dedupe key."""
    return DeliveryRequest("low_token_balance", "low", int(subscriber_id))


def call_failed(subscriber_id: int, delivery_id: int) -> DeliveryRequest:
    """Return the request for an e-mail about the failed call ``delivery_id``."""
    key, params = f"call_failed:{delivery_id}", {"delivery_id": int(delivery_id)}
    return DeliveryRequest("call_failed", key, int(subscriber_id), params=params)


def expiring_trial(subscriber_id: int, days_remaining: int) -> DeliveryRequest:
    """Return the request for a trial reminder. The database adds the end of the trial to the dedupe key."""
    days = int(days_remaining)
    return DeliveryRequest("expiring_trial", f"trial:{days}", int(subscriber_id), params={"days_remaining": days})


def payment_receipt(subscriber_id: int, stripe_charge_id: str, amount: int, tokens_purchased: int) -> DeliveryRequest:
    """Return the request for a receipt for ``amount`` cents. Each charge gets only one receipt."""
    params = {"stripe_charge_id": stripe_charge_id, "amount": int(amount), "tokens_purchased": int(tokens_purchased)}
    return DeliveryRequest("payment_receipt", f"receipt:{stripe_charge_id}", int(subscriber_id), params=params)


def urgent_lead_sms(subscriber_id: int, lead_id: int) -> DeliveryRequest:
    """Return the request for an SMS about a lead."""
    key = f"lead:{lead_id}:user:{subscriber_id}:urgent_lead_sms"
    return DeliveryRequest("urgent_lead_sms", key, int(subscriber_id), int(lead_id))


def verification_sms(subscriber_id: int, code: str) -> DeliveryRequest:
    """Return the request for an SMS with a verification code. The code is stored encrypted."""
    mark = links.mark("otp", f"{subscriber_id}:{code}")
    return DeliveryRequest(
        "verification_sms",
        f"otp:{subscriber_id}:{mark}:{int(time.time() // 60)}",
        int(subscriber_id),
        params={"secret": verification_codes.encrypted(code)},
        tokens=settings.verification_sms_tokens,
    )


def outbound_call(subscriber_id: int, lead_id: int, script_id: int, request_id: str) -> DeliveryRequest:
    """Return the request for a call to a lead."""
    return _call("outbound_call", subscriber_id, lead_id, script_id, request_id)


def campaign_call(subscriber_id: int, lead_id: int, script_id: int, request_id: str) -> DeliveryRequest:
    """Return the request for a campaign's call to a lead."""
    return _call("campaign_call", subscriber_id, lead_id, script_id, request_id)


def inbound_call(call_sid: str) -> DeliveryRequest:
    """Return the request for the record of an inbound call. Raises ValueError if ``call_sid`` is empty."""
    if not call_sid:
        raise ValueError("call_sid is empty; pass Twilio's id of the call")
    return DeliveryRequest("inbound_call", f"inbound:{call_sid}", None, params={"call_sid": call_sid}, tokens=0)


def _call(kind: str, subscriber_id: int, lead_id: int, script_id: int, request_id: str) -> DeliveryRequest:
    subscriber, lead, script = int(subscriber_id), int(lead_id), int(script_id)
    key = f"call:{subscriber}:{lead}:{script}:{request_id}"
    params = {"script_id": script, "request_id": request_id}
    return DeliveryRequest(kind, key, subscriber, lead, params=params, tokens=pricing.call_hold())


def _iso(day: str | date) -> str:
    """Return ``day`` as an ISO date. Raises ValueError if ``day`` is a string but not an ISO date."""
    return (day if isinstance(day, date) else date.fromisoformat(day)).isoformat()
