"""From a claim to a finished delivery: what a lane does when its bell rings."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from leads import settings
from notifier import deliveries, lead_messages
from notifier.deliveries import Claim, Sent
from notifier.errors import Permanent, ProviderError, ProviderWide, Refused, Throttled, Unclear
from notifier.lanes import EMAIL, SMS, Lane
from notifier.providers import sendgrid, twilio
from notifier.states import State
from notifier.store import transaction

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Kind:
    """An actor that sends: its lane, and what is done with a claim of its deliveries."""

    name: str
    lane: Lane
    send: Callable[[Claim], None]


def work(lane: Lane) -> int:
    """Sends what is due in ``lane`` until nothing is; returns how many deliveries it took.

    An exception of our own while sending costs the deliveries a try, like a refusal: never the delivery.
    """
    names = [kind.name for kind in KINDS.values() if kind.lane is lane]
    taken = 0
    while claim := deliveries.claim(lane, names):
        taken += len(claim.ids)
        try:
            KINDS[claim.kind].send(claim)
        except settings.MissingSetting as error:
            # No delivery's fault, and a human has to act: the same as a provider that refuses everybody.
            deliveries.put_back(claim, claim.ids, lane, ProviderWide(str(error), code="missing_setting"))
        except Exception as error:
            log.exception("Could not send", extra={"kind": claim.kind, "delivery_ids": claim.ids[:10]})
            # Its text may hold personal data; its type says enough.
            deliveries.put_back(claim, claim.ids, lane, Refused(type(error).__name__, code="our_error"))
    return taken


def _send_lead_emails(claim: Claim) -> None:
    batch = _wanted(claim, "email")
    emails = [
        sendgrid.Email(
            row["id"],
            row["email"],
            lead_messages.email_data(row),
            lead_messages.unsubscribe_headers(row["subscriber_id"]),
        )
        for row in batch
    ]
    if emails:
        _send_emails(claim, emails, purpose="LEADS")


def _send_emails(claim: Claim, emails: Sequence[sendgrid.Email], purpose: str) -> None:
    """Sends a batch as one request. What the provider names as wrong is dropped and the rest is sent."""
    kept = [Sent(email.delivery_id, email.recipient) for email in emails]
    ids = [email.delivery_id for email in emails]
    try:
        provider_id = sendgrid.send(claim.kind, purpose, emails)
    except Permanent as error:
        if len(emails) == 1:
            deliveries.end(claim, ids, State.FAILED, error.code or "refused", str(error))
            return
        named = [email for position, email in enumerate(emails) if position in error.positions]
        if named:
            wrong = [email.delivery_id for email in named]
            deliveries.end(claim, wrong, State.FAILED, error.code or "refused", str(error)[:200])
            parts = [[email for email in emails if email.delivery_id not in set(wrong)]]
        else:
            parts = [list(emails[: len(emails) // 2]), list(emails[len(emails) // 2 :])]
        for part in filter(None, parts):
            _send_emails(claim, part, purpose)
    except Unclear as error:
        deliveries.unclear(claim, kept, error)
    except ProviderError as error:
        deliveries.put_back(claim, ids, EMAIL, error)
    else:
        deliveries.accept(claim, EMAIL, kept, provider_id)


def _send_lead_texts(claim: Claim) -> None:
    for row in _wanted(claim, "phone_number"):
        _send_text(claim, row["id"], row["phone_number"], lead_messages.sms_body(row))


def _send_text(claim: Claim, delivery_id: int, recipient: str, body: str) -> None:
    kept = [Sent(delivery_id, recipient, settings.text("TWILIO_SMS_NUMBER"), body)]
    try:
        provider_id = twilio.send_sms(delivery_id, recipient, body)
    except Permanent as error:
        if error.suppress:
            _suppress("sms", recipient, f"provider code {error.code}")
        state = State.SUPPRESSED if error.suppress else State.FAILED
        deliveries.end(claim, [delivery_id], state, error.code or "refused", str(error))
    except Unclear as error:
        deliveries.unclear(claim, kept, error)
    except (Refused, Throttled, ProviderWide) as error:
        deliveries.put_back(claim, [delivery_id], SMS, error)
    else:
        deliveries.accept(claim, SMS, kept, provider_id)


def _wanted(claim: Claim, address: str) -> list[Mapping[str, Any]]:
    """The rows of the claim that are sent; the others are ended, with their reason."""
    wanted, held = lead_messages.sort_out(lead_messages.load(claim.ids), address=address)
    for state, code in {(hold.state, hold.code) for hold in held}:
        ids = [hold.delivery_id for hold in held if (hold.state, hold.code) == (state, code)]
        deliveries.end(claim, ids, state, code)
    return wanted


def _suppress(channel: str, recipient: str, reason: str) -> None:
    with transaction() as cursor:
        cursor.execute(
            "INSERT INTO suppressions (channel, address, reason) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
            (channel, recipient, reason),
        )


KINDS = {
    kind.name: kind
    for kind in (
        Kind("new_lead_alert", EMAIL, _send_lead_emails),
        Kind("urgent_lead_sms", SMS, _send_lead_texts),
    )
}
