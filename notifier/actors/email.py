"""The actors that enqueue e-mails in the queue ``email-workflows``."""

from __future__ import annotations

from datetime import date

from notifier.actors import requests
from notifier.actors.delivery import delivery_actor, enqueue


@delivery_actor(requests.new_lead_alert)
def new_lead_alert(subscriber_id: int, lead_id: int) -> None:
    """Enqueue an e-mail about a lead that matches the subscriber's criteria. Costs 1 token."""
    enqueue([requests.new_lead_alert(subscriber_id, lead_id)])


@delivery_actor(requests.daily_digest)
def daily_digest(subscriber_id: int, day: str | date) -> None:
    """Enqueue a digest of the leads that are new since the previous digest. ``day`` is an ISO date. Costs 1 token."""
    enqueue([requests.daily_digest(subscriber_id, day)])


@delivery_actor(requests.weekly_report)
def weekly_report(subscriber_id: int, week_start: str | date) -> None:
    """Enqueue a report on the leads from the week that starts on ``week_start`` (an ISO date). Costs 1 token."""
    enqueue([requests.weekly_report(subscriber_id, week_start)])


@delivery_actor(requests.welcome_email)
def welcome_email(subscriber_id: int) -> None:
    """Enqueue a welcome e-mail, once for each subscriber. Costs nothing."""
    enqueue([requests.welcome_email(subscriber_id)])


@delivery_actor(requests.low_token_balance)
def low_token_balance(subscriber_id: int) -> None:
    """Enqueue a warning that the subscriber has few tokens left. Costs nothing.

    The ledger also enqueues this warning when a balance falls below the threshold.
    """
    enqueue([requests.low_token_balance(subscriber_id)])


@delivery_actor(requests.call_failed)
def call_failed(subscriber_id: int, delivery_id: int) -> None:
    """Enqueue an e-mail about the call ``delivery_id``, which could not be made. Costs nothing.

    The notifier also enqueues this e-mail when the state of a call becomes failed, dead or parked.
    """
    enqueue([requests.call_failed(subscriber_id, delivery_id)])


@delivery_actor(requests.expiring_trial)
def expiring_trial(subscriber_id: int, days_remaining: int) -> None:
    """Enqueue a reminder that the trial ends in ``days_remaining`` days. Costs nothing."""
    enqueue([requests.expiring_trial(subscriber_id, days_remaining)])


@delivery_actor(requests.payment_receipt)
def payment_receipt(subscriber_id: int, stripe_charge_id: str, amount: int, tokens_purchased: int) -> None:
    """Enqueue a receipt for ``amount`` cents, once for each charge.

    Costs nothing. The caller must add the tokens to the balance first.
    """
    enqueue([requests.payment_receipt(subscriber_id, stripe_charge_id, amount, tokens_purchased)])
