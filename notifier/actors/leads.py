"""Telling a subscriber of a lead."""

from __future__ import annotations

from notifier.actors.delivery import delivery_actor


@delivery_actor("new_lead_alert")
def new_lead_alert(subscriber_id: int, lead_id: int) -> None:
    """An e-mail about a lead that matches the subscriber's criteria; 1 token."""
    new_lead_alert.send(subscriber_id=subscriber_id, lead_id=lead_id)


@delivery_actor("urgent_lead_sms")
def urgent_lead_sms(subscriber_id: int, lead_id: int) -> None:
    """A text about an urgent lead; 10 tokens."""
    urgent_lead_sms.send(subscriber_id=subscriber_id, lead_id=lead_id)
