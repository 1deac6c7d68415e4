"""Declares the queues, and the kinds of deliveries that are sent through each queue.

The database declares the same kinds in ``delivery_kinds``, with their prices and retry delays. A test compares the two
declarations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Channel(StrEnum):
    """The channel by which a delivery reaches its recipient."""

    EMAIL = "email"
    SMS = "sms"
    VOICE = "voice"


@dataclass(frozen=True)
class Queue:
    """A queue, with its limits for one process.

    Each queue has its own limits, so that a backlog in one queue does not slow down another queue.
    """

    queue_name: str
    concurrency: int
    """Messages that one process works on at once."""
    channel: Channel | None = None
    """The channel of the queue's deliveries, or None for a queue without deliveries."""
    batch: int = 1
    """Deliveries that one claim takes at most, for one request to the provider."""
    connections: int = 10
    """Database connections that a process for this queue alone may open."""
    niceness: int = 0
    """How much a process for this queue alone yields the processor to other processes (0 to 19)."""

    @property
    def drain_actor(self) -> str:
        """The name of the actor that sends the due deliveries in this queue (see ``notifier.actors.drain``)."""
        return f"drain_{self.queue_name.replace('-', '_')}"


LOOKUPS = Queue("api-property-lookup", 10)
VOICE = Queue("voice-assistant", 5, Channel.VOICE)
SMS = Queue("sms-notifications", 20, Channel.SMS)
# Each batch makes the database do a lot of work. More connections would not speed up this work, and would slow down
# other processes. People wait for lookups and verification codes, so e-mails yield the processor to them.
EMAIL = Queue("email-workflows", 50, Channel.EMAIL, batch=500, connections=2, niceness=10)
ADMIN = Queue("admin-alerts", 2)

QUEUES: Mapping[str, Queue] = MappingProxyType(
    {queue.queue_name: queue for queue in (LOOKUPS, VOICE, SMS, EMAIL, ADMIN)}
)

#: Maps each delivery kind to its queue. A delivery kind has the same name as the actor that enqueues it.
KINDS: Mapping[str, Queue] = {
    "new_lead_alert": EMAIL,
    "daily_digest": EMAIL,
    "weekly_report": EMAIL,
    "welcome_email": EMAIL,
    "payment_receipt": EMAIL,
    "expiring_trial": EMAIL,
    "low_token_balance": EMAIL,
    "call_failed": EMAIL,
    "urgent_lead_sms": SMS,
    "verification_sms": SMS,
    "outbound_call": VOICE,
    "campaign_call": VOICE,
    "inbound_call": VOICE,
}


def kinds_of(queue: Queue) -> list[str]:
    """Return the delivery kinds that are sent through ``queue``."""
    return [kind for kind, its_queue in KINDS.items() if its_queue is queue]
