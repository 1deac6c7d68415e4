"""Asks Twilio for the outcomes of SMS messages.

A matching record proves that an SMS was sent. A missing record proves nothing, because a new record may be missing from
Twilio's lists for a while.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from leads.logs import get_logger
from notifier.core.db import records, statement, transaction
from notifier.core.errors import ProviderError, Throttled
from notifier.core.phone_numbers import e164
from notifier.core.settings import settings
from notifier.deliveries import provider_events
from notifier.deliveries.provider_events import Event
from notifier.messages import links
from notifier.messages.verification_codes import SMS_PREFIX
from notifier.providers import twilio_sms
from notifier.providers.twilio_sms import SmsRecord

log = get_logger(__name__)

#: The maximum number of SMS messages that one run asks about.
LIMIT = 50
#: The largest difference that we expect between Twilio's clock and ours.
TOLERANCE = timedelta(seconds=30)


@dataclass(frozen=True)
class UnconfirmedSms:
    """An SMS delivery whose outcome Twilio has not reported."""

    id: int
    kind: str
    state: str
    lead_id: int | None
    provider_id: str | None
    body: str | None
    claimed_at: datetime
    recipient: str | None


def reconcile_sms(seconds: float = math.inf) -> int:
    """Ask Twilio about unconfirmed SMS messages until Twilio throttles us or ``seconds`` have passed.

    Returns the number of SMS messages for which Twilio had a record.
    """
    end = time.monotonic() + seconds
    with transaction() as cursor:
        parameters = {"scale": settings.notifier_time_scale, "limit": LIMIT}
        unconfirmed = records(cursor, UnconfirmedSms, "channels/unconfirmed_sms", **parameters)
    reported = 0
    for sms in unconfirmed:
        if time.monotonic() > end:
            break
        try:
            found = _find(sms)
        except Throttled:
            break
        except ProviderError as error:
            log.warning("sms_not_reported", provider="twilio", delivery_id=sms.id, reason=str(error))
            continue
        with transaction() as cursor:
            cursor.execute(
                statement("channels/record_sms_check"), {"id": sms.id, "scale": settings.notifier_time_scale}
            )
        if found is not None:
            details = {"code": found.error_code} if found.error_code else {}
            key = f"reconciled:{found.sid}:{found.status}"
            provider_events.store("twilio", [Event(found.status, key, sms.id, found.sid, None, details)])
            reported += 1
    if reported:
        provider_events.apply()
    return reported


def _find(sms: UnconfirmedSms) -> SmsRecord | None:
    """Return Twilio's record of the SMS if exactly one record matches, and None otherwise."""
    if sms.provider_id:
        return twilio_sms.fetch_sms(sms.provider_id)
    recipient = e164(sms.recipient)
    if recipient is None:
        return None
    matches = [record for record in twilio_sms.find_sms(recipient) if _matches(sms, record)]
    taken = _of_other_deliveries(sms.id, [record.sid for record in matches])
    candidates = [record for record in matches if record.sid not in taken]
    return candidates[0] if len(candidates) == 1 else None


def _matches(sms: UnconfirmedSms, record: SmsRecord) -> bool:
    """Return whether the record's text and time match the delivery.

    If a worker died before it stored the text, the delivery has no body. The link to the lead then identifies the SMS.
    """
    first, last = sms.claimed_at - TOLERANCE, sms.claimed_at + TOLERANCE
    last += timedelta(seconds=settings.provider_timeout_seconds)
    if record.created_at is None or not first <= record.created_at <= last:
        return False
    if sms.kind == "verification_sms":
        return record.body.startswith(SMS_PREFIX)
    if sms.body:
        return record.body == sms.body
    return links.app(f"leads/{sms.lead_id}") in record.body.split()


def _of_other_deliveries(delivery_id: int, sids: Sequence[str]) -> set[str]:
    with transaction() as cursor:
        cursor.execute(
            "SELECT provider_id FROM deliveries WHERE provider_id = ANY (%s) AND id <> %s", (list(sids), delivery_id)
        )
        return {row["provider_id"] for row in cursor.fetchall()}
