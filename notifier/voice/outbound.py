"""Calling leads: who may be called is judged at the moment of the call, and a call is started at most once."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from psycopg.rows import DictRow

from leads import settings
from notifier.core import pricing
from notifier.core.db import rows, transaction
from notifier.core.errors import OutcomeUnknown, PermanentFailure, ProviderError
from notifier.core.phone_numbers import e164, next_opening, zones
from notifier.core.queues import VOICE
from notifier.core.states import State
from notifier.deliveries import lifecycle
from notifier.deliveries.lifecycle import Claim, Sent
from notifier.providers import twilio

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Objection:
    """Why a call is not made now; ``until`` says when it is tried again, a ``state`` that it is not."""

    code: str
    state: State | None = None
    until: datetime | None = None


def send(claim: Claim) -> None:
    """Starts the claimed calls, or says why not."""
    for call in _composed(claim.ids):
        if held := objection(call, datetime.now(UTC)):
            _hold(claim, call, held)
            continue
        time.sleep(_next_start(call))
        # Consent, script and window may be others by the time it is its turn.
        for current in _composed([call["id"]]):
            if held := objection(current, datetime.now(UTC)):
                _hold(claim, current, held)
            else:
                _start(claim, current)


def _composed(ids: Sequence[int]) -> list[DictRow]:
    """All that the calls need and all that may forbid them, as it is now."""
    with transaction() as cursor:
        return rows(cursor, "voice/compose_calls", ids=list(ids))


def objection(call: DictRow, moment: datetime) -> Objection | None:
    """What forbids this call at ``moment``; None when nothing does."""
    number = e164(call["phone_number"])
    if number is None:
        return Objection("no_phone_number", State.FAILED)
    if not zones(number):
        return Objection("foreign_number", State.FAILED)
    if not e164(call["twilio_phone_number"]):
        return Objection("no_twilio_number", State.FAILED)
    if not call["greeting"]:
        return Objection("no_script", State.FAILED)
    if call["lead_status"] in ("closed", "converted"):
        return Objection("lead_closed", State.CANCELLED)
    if call["is_suppressed"]:
        return Objection("suppressed", State.SUPPRESSED)
    if not call["has_consent"]:
        return Objection("no_consent", State.SKIPPED)
    opening = next_opening(number, moment)
    if opening is None:
        return Objection("never_open", State.FAILED)
    return None if opening == moment else Objection("outside_call_window", until=opening)


def _hold(claim: Claim, call: DictRow, held: Objection) -> None:
    if held.state is not None:
        lifecycle.end(claim, [call["id"]], held.state, held.code)
    elif held.until is not None:
        lifecycle.defer(claim, [call["id"]], held.until, held.code)


def _start(claim: Claim, call: DictRow) -> None:
    number, sender = e164(call["phone_number"]) or "", e164(call["twilio_phone_number"]) or ""
    kept = [Sent(call["id"], number, sender)]
    try:
        sid = twilio.start_call(call["id"], number, sender, pricing.call_minutes())
    except PermanentFailure as error:
        lifecycle.end(claim, [call["id"]], State.FAILED, error.code or "refused", str(error), answered=VOICE)
    except OutcomeUnknown as error:
        lifecycle.mark_unknown(claim, kept, error)
    except ProviderError as error:
        lifecycle.requeue(claim, [call["id"]], VOICE, error)
    except settings.MissingSetting:
        raise
    except Exception as error:
        # It may ring already, before whatever went wrong here did.
        lifecycle.mark_unknown(claim, kept, OutcomeUnknown(type(error).__name__, code="our_error"))
    else:
        lifecycle.accept(claim, VOICE, kept, sid)


def _next_start(call: DictRow) -> float:
    """Takes the next turn to start a call, over all processes; returns the seconds until then."""
    scale, longest = settings.time_scale(), pricing.longest_seconds()
    pause = 1 / max(settings.number("CALLS_PER_SECOND", 1), 0.01)
    with transaction() as cursor:
        (turn,) = rows(cursor, "voice/next_call_start", id=call["id"], pause=pause, scale=scale, longest=longest)
    return max(0.0, float(turn["seconds"]))
