"""Enqueues and starts outbound calls.

A call's eligibility is checked when the call is about to start. A call starts at most once.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from notifier.core import pricing
from notifier.core.db import records, rows, transaction
from notifier.core.phone_numbers import e164, is_allowed, next_opening, opening_zone, zones
from notifier.core.queues import VOICE
from notifier.core.settings import settings
from notifier.core.states import State
from notifier.deliveries import lifecycle
from notifier.deliveries.dispatch import dispatch
from notifier.deliveries.enqueue import DeliveryRequest, EnqueueResult, enqueue_deliveries
from notifier.deliveries.lifecycle import Claim, SentRecord
from notifier.deliveries.settlement import record_dead_letters
from notifier.providers import twilio


@dataclass(frozen=True)
class OutboundCall:
    """An outbound call, with the data that is needed to start it and to check its eligibility.

    ``as_of`` is the database's time when the data was read.
    """

    as_of: datetime
    id: int
    twilio_phone_number: str | None
    phone_number: str | None
    lead_status: str
    greeting: str | None
    is_suppressed: bool
    has_consent: bool


@dataclass(frozen=True)
class Objection:
    """The reason why a call must not start now.

    If ``state`` is set, the call ends in this state. Otherwise, the call is deferred until the time in ``until``, when
    the call window opens in the time zone ``zone``.
    """

    code: str
    state: State | None = None
    until: datetime | None = None
    zone: str | None = None


def enqueue_calls(requests: Sequence[DeliveryRequest]) -> list[EnqueueResult]:
    """Enqueue calls to leads.

    If a lead has no phone number, its call becomes ``failed`` immediately and holds no tokens.
    """
    with transaction() as cursor:
        found = rows(cursor, "voice/leads_without_number", leads=[request.lead_id for request in requests])
    unreachable = {row["id"] for row in found}
    results = enqueue_deliveries([replace(r, tokens=0) if r.lead_id in unreachable else r for r in requests])
    failed = {
        result.delivery_id
        for request, result in zip(requests, results, strict=True)
        if result.is_new and request.lead_id in unreachable
    }
    if failed:
        with transaction() as cursor:
            ended = [row["id"] for row in rows(cursor, "voice/fail_without_number", ids=list(failed))]
            record_dead_letters(cursor, ended, "no_phone_number")
    return [replace(result, state=State.FAILED) if result.delivery_id in failed else result for result in results]


def send(claim: Claim) -> None:
    """Start the claim's eligible calls at the configured rate. Defers or finishes the other calls."""
    for call in _compose(claim.ids):
        if found := objection(call):
            _apply(claim, call, found)
            continue
        time.sleep(_seconds_until_start(call.id))
        # The consent, the script or the call window may have changed during the wait.
        for current in _compose([call.id]):
            if found := objection(current):
                _apply(claim, current, found)
            else:
                _start(claim, current)


def _compose(ids: Sequence[int]) -> list[OutboundCall]:
    with transaction() as cursor:
        return records(cursor, OutboundCall, "voice/compose_calls", ids=list(ids))


def objection(call: OutboundCall) -> Objection | None:
    """Return the reason why a call must not start at ``call.as_of``, or None if the call may start."""
    number = e164(call.phone_number)
    if number is None:
        return Objection("no_phone_number", State.FAILED)
    if not zones(number) or not is_allowed(number):
        return Objection("foreign_number", State.FAILED)
    if not e164(call.twilio_phone_number):
        return Objection("no_twilio_number", State.FAILED)
    if not call.greeting:
        return Objection("no_script", State.FAILED)
    if call.lead_status in ("closed", "converted"):
        return Objection("lead_closed", State.CANCELLED)
    if call.is_suppressed:
        return Objection("suppressed", State.SUPPRESSED)
    if not call.has_consent:
        return Objection("no_consent", State.SKIPPED)
    opening = next_opening(number, call.as_of)
    if opening is None:
        return Objection("never_open", State.FAILED)
    if opening == call.as_of:
        return None
    return Objection("outside_call_window", until=opening, zone=opening_zone(number, opening))


def _apply(claim: Claim, call: OutboundCall, found: Objection) -> None:
    if found.state is not None:
        lifecycle.end(claim, [call.id], found.state, found.code)
    elif found.until is not None:
        lifecycle.defer(claim, [call.id], found.code, until=found.until, message=found.zone)


def _start(claim: Claim, call: OutboundCall) -> None:
    number, sender = e164(call.phone_number) or "", e164(call.twilio_phone_number) or ""
    sent = [SentRecord(call.id, number, sender)]
    dispatch(claim, VOICE, sent, partial(twilio.start_call, call.id, number, sender, pricing.call_minutes()))


def _seconds_until_start(delivery_id: int) -> float:
    """Reserve the next start time that no process has reserved yet. Returns the number of seconds until that time."""
    scale, longest = settings.notifier_time_scale, pricing.longest_seconds()
    pause = 1 / max(settings.calls_per_second, 0.01)
    with transaction() as cursor:
        (turn,) = rows(cursor, "voice/next_call_start", id=delivery_id, pause=pause, scale=scale, longest=longest)
    return max(0.0, float(turn["seconds"]))
