"""From a bell to finished deliveries: what a lane does when it is rung."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import psycopg

from leads import settings
from notifier.channels import email, sms
from notifier.core.errors import OutcomeNotRecorded, ProviderUnavailable, Refused, Throttled, where
from notifier.core.queues import EMAIL, SMS, VOICE, Queue
from notifier.deliveries import lifecycle
from notifier.deliveries.lifecycle import Claim
from notifier.voice import outbound, reconciliation

log = logging.getLogger(__name__)

#: Set when the worker is to stop: what is in hand is finished, and nothing more is claimed.
closing = threading.Event()


@dataclass(frozen=True)
class Kind:
    """An actor that sends: its lane, and what is done with a claim of its deliveries."""

    name: str
    queue: Queue
    send: Callable[[Claim], None]


def drain_queue(queue: Queue) -> int:
    """Sends what is due in ``queue`` until nothing is; returns how many deliveries it took."""
    names = [kind.name for kind in KINDS.values() if kind.queue is queue]
    taken = 0
    while not closing.is_set() and (claim := lifecycle.claim(queue, names)):
        taken += len(claim.ids)
        _send(claim, queue)
    if queue is VOICE:
        reconciliation.check_due()
    return taken


def _send(claim: Claim, queue: Queue) -> None:
    """Nothing that goes wrong on our side costs more than a try, or sends anything again that may have left."""
    try:
        KINDS[claim.kind].send(claim)
    except OutcomeNotRecorded as error:
        log.error("%s: the sweeper finds out what became of it", error, extra={"delivery_ids": claim.ids[:10]})
    except psycopg.OperationalError:
        # Before anything left; nobody's fault, so it costs no try.
        lifecycle.requeue(claim, claim.ids, queue, Throttled("the database was away", code="database"), untried=True)
    except settings.MissingSetting as error:
        # No delivery's fault, and a human has to act: the same as a provider that refuses everybody.
        wide = ProviderUnavailable(str(error), code="missing_setting")
        lifecycle.requeue(claim, claim.ids, queue, wide, untried=True)
    except Exception as error:
        log.error("Could not send %s: %s", claim.kind, where(error), extra={"delivery_ids": claim.ids[:10]})
        # Its text may hold personal data; its type says enough.
        lifecycle.requeue(claim, claim.ids, queue, Refused(type(error).__name__, code="our_error"), untried=True)


KINDS = {
    kind.name: kind
    for kind in (
        *(Kind(kind.name, EMAIL, partial(email.send, kind)) for kind in email.EMAILS),
        *(Kind(kind.name, SMS, partial(sms.send, kind)) for kind in sms.SMS_KINDS),
        Kind("outbound_call", VOICE, outbound.send),
        Kind("campaign_call", VOICE, outbound.send),
        Kind("inbound_call", VOICE, reconciliation.complete),
    )
}
