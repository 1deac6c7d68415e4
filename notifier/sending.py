"""From a bell to finished deliveries: what a lane does when it is rung."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import psycopg

from leads import settings
from notifier import call_checks, calls, deliveries, emails, texts
from notifier.deliveries import Claim
from notifier.errors import NotRecorded, ProviderWide, Refused, Throttled, where
from notifier.lanes import EMAIL, SMS, VOICE, Lane

log = logging.getLogger(__name__)

#: Set when the worker is to stop: what is in hand is finished, and nothing more is claimed.
closing = threading.Event()


@dataclass(frozen=True)
class Kind:
    """An actor that sends: its lane, and what is done with a claim of its deliveries."""

    name: str
    lane: Lane
    send: Callable[[Claim], None]


def work(lane: Lane) -> int:
    """Sends what is due in ``lane`` until nothing is; returns how many deliveries it took."""
    names = [kind.name for kind in KINDS.values() if kind.lane is lane]
    taken = 0
    while not closing.is_set() and (claim := deliveries.claim(lane, names)):
        taken += len(claim.ids)
        _send(claim, lane)
    if lane is VOICE:
        call_checks.check_due()
    return taken


def _send(claim: Claim, lane: Lane) -> None:
    """Nothing that goes wrong on our side costs more than a try, or sends anything again that may have left."""
    try:
        KINDS[claim.kind].send(claim)
    except NotRecorded as error:
        log.error("%s: the sweeper finds out what became of it", error, extra={"delivery_ids": claim.ids[:10]})
    except psycopg.OperationalError:
        # Before anything left; nobody's fault, so it costs no try.
        deliveries.put_back(claim, claim.ids, lane, Throttled("the database was away", code="database"), untried=True)
    except settings.MissingSetting as error:
        # No delivery's fault, and a human has to act: the same as a provider that refuses everybody.
        wide = ProviderWide(str(error), code="missing_setting")
        deliveries.put_back(claim, claim.ids, lane, wide, untried=True)
    except Exception as error:
        log.error("Could not send %s: %s", claim.kind, where(error), extra={"delivery_ids": claim.ids[:10]})
        # Its text may hold personal data; its type says enough.
        deliveries.put_back(claim, claim.ids, lane, Refused(type(error).__name__, code="our_error"), untried=True)


KINDS = {
    kind.name: kind
    for kind in (
        *(Kind(email.name, EMAIL, partial(emails.send, email)) for email in emails.EMAILS),
        *(Kind(text.name, SMS, partial(texts.send, text)) for text in texts.TEXTS),
        Kind("outbound_call", VOICE, calls.send),
        Kind("campaign_call", VOICE, calls.send),
        Kind("inbound_call", VOICE, call_checks.complete),
    )
}
