"""The lanes: one queue each, with its own cap, so that no kind of work is felt by another."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Queue:
    """A queue and how much of it one process does at once (for e-mail: requests, each a batch).

    ``connections`` is how many statements a process of its own has in the database at once.
    """

    queue_name: str
    concurrency: int
    batch: int = 1
    connections: int = 10

    @property
    def drain_actor(self) -> str:
        """The actor whose message says that something may be due in this lane."""
        return f"ring_{self.queue_name.replace('-', '_')}"


LOOKUPS = Queue("api-property-lookup", 10)
VOICE = Queue("voice-assistant", 5)
SMS = Queue("sms-notifications", 20)
# A batch is much work for the database: more at once are no faster, and everybody else waits for them.
EMAIL = Queue("email-workflows", 50, batch=500, connections=4)
ADMIN = Queue("admin-alerts", 2)

QUEUES = {queue.queue_name: queue for queue in (LOOKUPS, VOICE, SMS, EMAIL, ADMIN)}
