"""The texts that can be asked for."""

from __future__ import annotations

import time

from leads import settings
from notifier.actors.delivery import delivery_actor
from notifier.deliveries.enqueue import DeliveryRequest
from notifier.messages import links, verification_codes


@delivery_actor
def urgent_lead_sms(subscriber_id: int, lead_id: int) -> DeliveryRequest:
    """A text about an urgent lead; 10 tokens."""
    key = f"lead:{lead_id}:user:{subscriber_id}:urgent_lead_sms"
    return DeliveryRequest("urgent_lead_sms", key, int(subscriber_id), int(lead_id))


@delivery_actor
def verification_sms(subscriber_id: int, code: str) -> DeliveryRequest:
    """A text with a verification code; ``VERIFICATION_SMS_TOKENS`` tokens, or none from an account that cannot pay.

    The code lies encrypted in the delivery until it is sent or too old. The same code within the same minute is one.
    """
    mark = links.mark("otp", f"{subscriber_id}:{code}")
    return DeliveryRequest(
        "verification_sms",
        f"otp:{subscriber_id}:{mark}:{int(time.time() // 60)}",
        int(subscriber_id),
        params={"secret": verification_codes.encrypted(code)},
        tokens=int(settings.number("VERIFICATION_SMS_TOKENS", 10)),
    )
