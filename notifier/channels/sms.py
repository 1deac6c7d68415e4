"""The kinds of texts, and how one leaves. A text is sent at most once: whatever nobody knows stays unknown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cryptography.fernet import InvalidToken

from leads import settings
from notifier.channels.eligibility import EligibilityPolicy, Row, composed, wanted
from notifier.core.db import transaction
from notifier.core.errors import OutcomeUnknown, PermanentFailure, ProviderError
from notifier.core.queues import SMS
from notifier.core.states import State
from notifier.deliveries import lifecycle
from notifier.deliveries.lifecycle import Claim, Sent
from notifier.messages import lead_alerts, verification_codes
from notifier.providers import twilio

CODE_SECONDS = 600


@dataclass(frozen=True)
class SmsKind:
    """A text: its words, and what is kept of them."""

    name: str
    words: Callable[[Row], str]
    kept: Callable[[Row], str]
    policy: EligibilityPolicy
    seconds: int | None = None
    """After so long the provider may drop it: it would be worthless."""


SMS_KINDS = (
    SmsKind(
        "urgent_lead_sms",
        lead_alerts.urgent_text,
        lead_alerts.urgent_text,
        EligibilityPolicy("channels/compose_lead_messages", "phone_number", against=lead_alerts.rejection),
    ),
    SmsKind(
        "verification_sms",
        verification_codes.text,
        verification_codes.masked_text,
        EligibilityPolicy("channels/compose_account_messages", "phone_number"),
        seconds=CODE_SECONDS,
    ),
)


def send(kind: SmsKind, claim: Claim) -> None:
    """Sends what is wanted of the claim."""

    def compose(row: Row) -> tuple[Row, str]:
        try:
            return row, kind.words(row)
        except InvalidToken:
            raise ValueError("the code was encrypted with another key") from None

    for _, (row, words) in composed(claim, wanted(claim, kind.policy), compose):
        _send_one(kind, claim, row, words)


def _send_one(kind: SmsKind, claim: Claim, row: Row, words: str) -> None:
    number = settings.text("TWILIO_SMS_NUMBER")
    kept = [Sent(row["id"], row["phone_number"], number, kind.kept(row))]
    try:
        provider_id = twilio.send_sms(row["id"], row["phone_number"], words, seconds=kind.seconds)
    except PermanentFailure as error:
        _refused(claim, row, error)
    except OutcomeUnknown as error:
        lifecycle.mark_unknown(claim, kept, error)
    except ProviderError as error:
        lifecycle.requeue(claim, [row["id"]], SMS, error)
    except settings.MissingSetting:
        raise
    except Exception as error:
        # It may have left before whatever went wrong here did.
        lifecycle.mark_unknown(claim, kept, OutcomeUnknown(type(error).__name__, code="our_error"))
    else:
        lifecycle.accept(claim, SMS, kept, provider_id)


def _refused(claim: Claim, row: Row, error: PermanentFailure) -> None:
    if error.suppress:
        suppress("sms", row["phone_number"], f"provider code {error.code}")
    state = State.SUPPRESSED if error.suppress else State.FAILED
    lifecycle.end(claim, [row["id"]], state, error.code or "refused", str(error), answered=SMS)


def suppress(channel: str, address: str, reason: str) -> None:
    """Nothing is sent to the address any more."""
    with transaction() as cursor:
        cursor.execute(
            "INSERT INTO suppressions (channel, address, reason) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
            (channel, address, reason),
        )
