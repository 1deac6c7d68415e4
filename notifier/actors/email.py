"""The e-mails that can be asked for.

Whoever opens such a delivery without Python (the DAGs, by the SQL function ``enqueue_deliveries``) writes the same: the
dedupe key, and in ``params`` the arguments beside subscriber and lead, by name. What is said is made when it is sent.

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
"""

from __future__ import annotations

from datetime import date

from notifier.actors.delivery import delivery_actor
from notifier.deliveries.enqueue import DeliveryRequest


@delivery_actor
def new_lead_alert(subscriber_id: int, lead_id: int) -> DeliveryRequest:
    """An e-mail about a lead that matches the subscriber's criteria; 1 token."""
    key = f"lead:{lead_id}:user:{subscriber_id}:new_lead_alert"
    return DeliveryRequest("new_lead_alert", key, int(subscriber_id), int(lead_id))


@delivery_actor
def daily_digest(subscriber_id: int, day: str | date) -> DeliveryRequest:
    """The new leads since the digest before, as they are when it is sent; ``day`` is an ISO date; 1 token."""
    known = _iso(day)
    return DeliveryRequest("daily_digest", f"digest:{subscriber_id}:{known}", int(subscriber_id), params={"day": known})


@delivery_actor
def weekly_report(subscriber_id: int, week_start: str | date) -> DeliveryRequest:
    """What became of the leads of the seven days from ``week_start`` (an ISO date); 1 token."""
    known = _iso(week_start)
    return DeliveryRequest(
        "weekly_report", f"report:{subscriber_id}:{known}", int(subscriber_id), params={"week_start": known}
    )


@delivery_actor
def welcome_email(subscriber_id: int) -> DeliveryRequest:
    """A welcome, once for each subscriber; free."""
    return DeliveryRequest("welcome_email", f"welcome:{subscriber_id}", int(subscriber_id))


@delivery_actor
def low_token_balance(subscriber_id: int) -> DeliveryRequest:
    """Few tokens are left; free. The ledger opens it by itself when a balance falls below the threshold."""
    return DeliveryRequest("low_token_balance", "low", int(subscriber_id))


@delivery_actor
def call_failed(subscriber_id: int, delivery_id: int) -> DeliveryRequest:
    """The call ``delivery_id`` could not be made; free. Opened by itself when a call ends failed, dead or parked."""
    key, params = f"call_failed:{delivery_id}", {"delivery_id": int(delivery_id)}
    return DeliveryRequest("call_failed", key, int(subscriber_id), params=params)


@delivery_actor
def expiring_trial(subscriber_id: int, days_remaining: int) -> DeliveryRequest:
    """The trial ends in ``days_remaining`` days; free."""
    days = int(days_remaining)
    return DeliveryRequest("expiring_trial", f"trial:{days}", int(subscriber_id), params={"days_remaining": days})


@delivery_actor
def payment_receipt(subscriber_id: int, stripe_charge_id: str, amount: int, tokens_purchased: int) -> DeliveryRequest:
    """A receipt over ``amount`` cents, once for each charge; free. The purchase must have been booked before."""
    params = {"stripe_charge_id": stripe_charge_id, "amount": int(amount), "tokens_purchased": int(tokens_purchased)}
    return DeliveryRequest("payment_receipt", f"receipt:{stripe_charge_id}", int(subscriber_id), params=params)


def _iso(day: str | date) -> str:
    """Raises ValueError for a text that is no ISO date."""
    return (day if isinstance(day, date) else date.fromisoformat(day)).isoformat()
