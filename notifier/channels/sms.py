"""The SMS kinds, and the functions that send an SMS. An SMS is sent at most once, even if its outcome is unknown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from cryptography.fernet import InvalidToken

from leads.alert import alert
from notifier.channels.eligibility import EligibilityPolicy, Row, compose_each, eligible, lead_rejection
from notifier.core.db import rows, transaction
from notifier.core.errors import PermanentFailure
from notifier.core.phone_numbers import e164
from notifier.core.queues import SMS
from notifier.core.settings import settings
from notifier.core.states import State
from notifier.deliveries import lifecycle
from notifier.deliveries.dispatch import dispatch, end_rejected
from notifier.deliveries.lifecycle import Claim, SentRecord
from notifier.deliveries.suppressions import suppress
from notifier.messages import lead_alerts, verification_codes
from notifier.providers import twilio

CODE_SECONDS = 600


@dataclass(frozen=True)
class SmsKind:
    """An SMS kind: its text, its eligibility policy, and how long Twilio may try to deliver it."""

    name: str
    text: Callable[[Row], str]
    stored_text: Callable[[Row], str]
    """Returns the text for the delivery row, without secrets."""
    policy: EligibilityPolicy
    seconds: int | None = None
    """The time (s) after which Twilio may drop an undelivered SMS."""
    is_code: bool = False
    """True if the hourly limits for verification codes apply."""


_lead_policy = EligibilityPolicy("channels/compose_lead_messages", "phone_number", rejection=lead_rejection)
_account_policy = EligibilityPolicy("channels/compose_account_messages", "phone_number")

SMS_KINDS = (
    SmsKind("urgent_lead_sms", lead_alerts.urgent_sms, lead_alerts.urgent_sms, _lead_policy),
    SmsKind(
        "verification_sms",
        verification_codes.sms,
        verification_codes.masked_sms,
        _account_policy,
        seconds=CODE_SECONDS,
        is_code=True,
    ),
)


def send(kind: SmsKind, claim: Claim) -> None:
    """Send each eligible SMS in the claim, and record its outcome."""

    def compose(row: Row) -> tuple[Row, str]:
        try:
            return row, kind.text(row)
        except InvalidToken:
            raise ValueError("the code was encrypted with another key") from None

    batch = eligible(claim, kind.policy)
    for _, (row, text) in compose_each(claim, _within_limits(claim, batch) if kind.is_code else batch, compose):
        _send_one(kind, claim, row, text)


def _within_limits(claim: Claim, batch: Sequence[Row]) -> list[Row]:
    """Return the codes that are within the hourly limits.

    Marks the deliveries of the other codes as skipped, and stores the name of the exceeded limit as the reason.
    """
    with transaction() as cursor:
        # Take a lock, so that only one process at a time counts codes.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('notifier:codes'))")
        found = rows(
            cursor,
            "channels/codes_over_limit",
            ids=[row["id"] for row in batch],
            numbers=[e164(row["phone_number"]) for row in batch],
            per_number=settings.codes_per_number,
            per_subscriber=settings.codes_per_subscriber,
            per_hour=settings.codes_per_hour,
        )
    over = {row["id"]: str(row["limit_name"]) for row in found}
    for delivery, limit in over.items():
        lifecycle.end(claim, [delivery], State.SKIPPED, limit)
    if "codes_per_hour" in over.values():
        alert(
            "critical",
            "The hour's verification codes are used up",
            f"Subscribers requested more than {settings.codes_per_hour} codes in an hour. Further codes are not sent.",
            "Check who requests the codes. Raise CODES_PER_HOUR if the requests are genuine.",
        )
    return [row for row in batch if row["id"] not in over]


def _send_one(kind: SmsKind, claim: Claim, row: Row, text: str) -> None:
    number = e164(row["phone_number"]) or ""
    sent = [SentRecord(row["id"], number, twilio.sms_sender(), kind.stored_text(row))]
    request = partial(twilio.send_sms, row["id"], number, text, seconds=kind.seconds)
    dispatch(claim, SMS, sent, request, partial(_reject, claim, row, number))


def _reject(claim: Claim, row: Row, number: str, error: PermanentFailure) -> None:
    """Set the final state of a rejected SMS, and suppress the number if the recipient has opted out."""
    if error.suppress:
        suppress("sms", number, f"provider code {error.code}")
    state = State.SUPPRESSED if error.suppress else State.FAILED
    end_rejected(claim, SMS, [row["id"]], error, state)
