"""Telling a subscriber of a lead."""

from __future__ import annotations

from notifier.actors.delivery import delivery_actor
from notifier.deliveries import Request


@delivery_actor
def new_lead_alert(subscriber_id: int, lead_id: int) -> Request:
    """An e-mail about a lead that matches the subscriber's criteria; 1 token."""
    return _about_lead("new_lead_alert", subscriber_id, lead_id)


@delivery_actor
def urgent_lead_sms(subscriber_id: int, lead_id: int) -> Request:
    """A text about an urgent lead; 10 tokens."""
    return _about_lead("urgent_lead_sms", subscriber_id, lead_id)


def _about_lead(kind: str, subscriber_id: int, lead_id: int) -> Request:
    return Request(kind, f"lead:{lead_id}:user:{subscriber_id}:{kind}", int(subscriber_id), int(lead_id))
