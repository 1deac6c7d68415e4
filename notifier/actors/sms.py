"""The actors that enqueue SMS messages in the queue ``sms-notifications``."""

from __future__ import annotations

from notifier.actors import requests
from notifier.actors.delivery import delivery_actor, enqueue


@delivery_actor(requests.urgent_lead_sms)
def urgent_lead_sms(subscriber_id: int, lead_id: int) -> None:
    """Enqueue an SMS about an urgent lead. Costs 10 tokens."""
    enqueue([requests.urgent_lead_sms(subscriber_id, lead_id)])


@delivery_actor(requests.verification_sms)
def verification_sms(subscriber_id: int, code: str) -> None:
    """Enqueue an SMS with a verification code.

    The SMS costs ``VERIFICATION_SMS_TOKENS``, or nothing if the balance is too low. The code is stored encrypted
    until it is sent or expires. Requests for the same code within one clock minute create only one delivery.
    """
    enqueue([requests.verification_sms(subscriber_id, code)])
