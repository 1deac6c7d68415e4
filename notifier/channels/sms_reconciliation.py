"""Asks Twilio what became of texts. A hit is proof; a miss means nothing, because its lists lag behind."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta

from psycopg.rows import DictRow

from leads import settings
from notifier.core.db import rows, statement, transaction
from notifier.core.errors import ProviderError, Throttled
from notifier.deliveries import provider_events
from notifier.deliveries.provider_events import Event
from notifier.messages import links
from notifier.providers import twilio_sms
from notifier.providers.twilio_sms import Text

log = logging.getLogger(__name__)

#: Texts asked about in one go.
LIMIT = 50
#: Our clock and theirs may differ by so much.
SLACK = timedelta(seconds=30)


def reconcile_sms() -> int:
    """Asks about the texts that are unsure; returns of how many something was learned. Stops when told to be slower."""
    with transaction() as cursor:
        unsure = rows(cursor, "channels/unconfirmed_sms", scale=settings.time_scale(), limit=LIMIT)
    learned = 0
    for row in unsure:
        try:
            found = _ask(row)
        except Throttled:
            break
        except ProviderError as error:
            log.warning("Twilio does not tell of delivery %s (%s)", row["id"], error)
            continue
        with transaction() as cursor:
            cursor.execute(statement("channels/record_sms_check"), {"id": row["id"], "scale": settings.time_scale()})
        if found is not None:
            details = {"code": found.error_code} if found.error_code else {}
            key = f"reconciled:{found.sid}:{found.status}"
            provider_events.store("twilio", [Event(found.status, key, row["id"], found.sid, None, details)])
            learned += 1
    if learned:
        provider_events.apply()
    return learned


def _ask(row: DictRow) -> Text | None:
    if row["provider_id"]:
        return twilio_sms.text(row["provider_id"])
    if not row["recipient"]:
        return None
    ours = [text for text in twilio_sms.texts_to(row["recipient"]) if _may_be(row, text)]
    taken = _of_others(row["id"], [text.sid for text in ours])
    free = [text for text in ours if text.sid not in taken]
    # Two that fit are no proof of either.
    return free[0] if len(free) == 1 else None


def _may_be(row: DictRow, text: Text) -> bool:
    """The same words at the time of the attempt; a worker that died has left no words, then the link tells."""
    first, last = row["claimed_at"] - SLACK, row["claimed_at"] + SLACK
    last += timedelta(seconds=settings.provider_timeout())
    if text.created_at is None or not first <= text.created_at <= last:
        return False
    if row["kind"] == "verification_sms":
        return text.body.startswith("Your verification code is ")
    if row["body"]:
        return bool(text.body == row["body"])
    return links.app(f"leads/{row['lead_id']}") in text.body.split()


def _of_others(delivery_id: int, sids: Sequence[str]) -> set[str]:
    with transaction() as cursor:
        cursor.execute(
            "SELECT provider_id FROM deliveries WHERE provider_id = ANY (%s) AND id <> %s", (list(sids), delivery_id)
        )
        return {row["provider_id"] for row in cursor.fetchall()}
