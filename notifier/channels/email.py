"""The e-mail kinds, and how a batch of them leaves: one request, its outcome, the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from leads import settings
from notifier.channels.eligibility import EligibilityPolicy, Row, composed, wanted
from notifier.core.errors import OutcomeUnknown, PermanentFailure, ProviderError
from notifier.core.queues import EMAIL
from notifier.core.states import State
from notifier.deliveries import lifecycle
from notifier.deliveries.lifecycle import Claim, Sent
from notifier.messages import account, digests, lead_alerts, links
from notifier.providers import sendgrid


@dataclass(frozen=True)
class EmailKind:
    """An e-mail: who sends it, what its template is told, and who may not want it."""

    name: str
    sender: str
    """The purpose whose address it comes from (``SENDGRID_FROM_…``)."""
    data: Callable[[Row], Mapping[str, Any]]
    policy: EligibilityPolicy
    is_optional: bool = False
    """Mail programs offer to unsubscribe from it."""


_account = partial(EligibilityPolicy, "channels/compose_account_messages", "email")
EMAILS = (
    EmailKind(
        "new_lead_alert",
        "LEADS",
        lead_alerts.alert,
        EligibilityPolicy(
            "channels/compose_lead_messages", "email", "lead_alerts", is_capped=True, against=lead_alerts.rejection
        ),
        is_optional=True,
    ),
    EmailKind(
        "daily_digest",
        "DIGEST",
        digests.digest,
        EligibilityPolicy(
            "channels/compose_digests", "email", "daily_digest", is_capped=True, against=digests.digest_rejection
        ),
        is_optional=True,
    ),
    EmailKind(
        "weekly_report",
        "LEADS",
        digests.report,
        EligibilityPolicy("channels/compose_reports", "email", "weekly_report", is_capped=True),
        is_optional=True,
    ),
    EmailKind("welcome_email", "WELCOME", account.welcome, _account()),
    EmailKind("payment_receipt", "BILLING", account.receipt, _account()),
    EmailKind("expiring_trial", "BILLING", account.trial_reminder, _account(), is_optional=True),
    EmailKind("low_token_balance", "SUPPORT", account.low_balance, _account()),
    EmailKind(
        "call_failed", "SUPPORT", account.call_failed, EligibilityPolicy("channels/compose_call_failures", "email")
    ),
)


def send(kind: EmailKind, claim: Claim) -> None:
    """Sends what is wanted of the claim."""
    emails = [email for _, email in composed(claim, wanted(claim, kind.policy), partial(_email, kind))]
    if emails:
        _send_batch(kind, claim, emails)


def _email(kind: EmailKind, row: Row) -> sendgrid.Email:
    headers = links.unsubscribe_headers(row["subscriber_id"]) if kind.is_optional else {}
    return sendgrid.Email(row["id"], row["email"], kind.data(row), headers)


def _send_batch(kind: EmailKind, claim: Claim, emails: Sequence[sendgrid.Email]) -> None:
    """One request. What the provider names as wrong is dropped and the rest is sent; halved only if none is named."""
    kept = [Sent(email.delivery_id, email.recipient) for email in emails]
    ids = [email.delivery_id for email in emails]
    request = sendgrid.request(kind.name, kind.sender, emails)
    try:
        provider_id = sendgrid.send(request)
    except PermanentFailure as error:
        _send_rest(kind, claim, emails, error)
    except OutcomeUnknown as error:
        lifecycle.mark_unknown(claim, kept, error)
    except ProviderError as error:
        lifecycle.requeue(claim, ids, EMAIL, error)
    except settings.MissingSetting:
        raise
    except Exception as error:
        # It may have left before whatever went wrong here did.
        lifecycle.mark_unknown(claim, kept, OutcomeUnknown(type(error).__name__, code="our_error"))
    else:
        lifecycle.accept(claim, EMAIL, kept, provider_id)


def _send_rest(kind: EmailKind, claim: Claim, emails: Sequence[sendgrid.Email], error: PermanentFailure) -> None:
    if len(emails) == 1:
        ids = [emails[0].delivery_id]
        lifecycle.end(claim, ids, State.FAILED, error.code or "refused", str(error), answered=EMAIL)
        return
    named = {email.delivery_id for position, email in enumerate(emails) if position in error.positions}
    if named:
        lifecycle.end(claim, named, State.FAILED, error.code or "refused", str(error)[:200], answered=EMAIL)
        parts = [[email for email in emails if email.delivery_id not in named]]
    else:
        half = len(emails) // 2
        parts = [list(emails[:half]), list(emails[half:])]
    for part in filter(None, parts):
        # Time has passed: a sweeper may have taken them for dead.
        still_claimed = set(lifecycle.renew(claim, [email.delivery_id for email in part]))
        if still := [email for email in part if email.delivery_id in still_claimed]:
            _send_batch(kind, claim, still)
