"""The notifier. The app imports ``notifier`` to send deliveries, and ``dramatiq notifier`` runs the workers.

Importing the package opens no connection and reads no setting. ``actor.send`` writes a row to the database and then
wakes a worker through Redis. If Redis loses its data, no delivery is lost.
"""

from __future__ import annotations

import dramatiq

from notifier.broker.redis_broker import make_broker, redis_url

# Set the broker before the imports, because an actor registers with the broker that is set when its module is imported.
_broker = make_broker(redis_url)
dramatiq.set_broker(_broker)

from notifier.actors.admin import admin_alert  # noqa: E402
from notifier.actors.calls import campaign_call, inbound_call, outbound_call  # noqa: E402
from notifier.actors.delivery import send_many  # noqa: E402
from notifier.actors.drain import StopDraining  # noqa: E402
from notifier.actors.email import (  # noqa: E402
    call_failed,
    daily_digest,
    expiring_trial,
    low_token_balance,
    new_lead_alert,
    payment_receipt,
    weekly_report,
    welcome_email,
)
from notifier.actors.lookups import property_lookup  # noqa: E402
from notifier.actors.sms import urgent_lead_sms, verification_sms  # noqa: E402
from notifier.lookups.client import LookupFailed, LookupPending, lookup  # noqa: E402
from notifier.maintenance.leader import LeaderMiddleware  # noqa: E402

_broker.add_middleware(StopDraining())
_broker.add_middleware(LeaderMiddleware())

__all__ = [
    "LookupFailed",
    "LookupPending",
    "admin_alert",
    "call_failed",
    "campaign_call",
    "daily_digest",
    "expiring_trial",
    "inbound_call",
    "lookup",
    "low_token_balance",
    "new_lead_alert",
    "outbound_call",
    "payment_receipt",
    "property_lookup",
    "send_many",
    "urgent_lead_sms",
    "verification_sms",
    "weekly_report",
    "welcome_email",
]
