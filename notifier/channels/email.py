"""The e-mail kinds, and the functions that send a batch of one kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from notifier.channels.eligibility import (
    EligibilityPolicy,
    Row,
    compose_each,
    digest_rejection,
    eligible,
    lead_rejection,
)
from notifier.core.errors import PermanentFailure
from notifier.core.queues import EMAIL
from notifier.deliveries.dispatch import dispatch, end_rejected
from notifier.deliveries.lifecycle import Claim, SentRecord
from notifier.messages import account, digests, lead_alerts, links
from notifier.providers import sendgrid


@dataclass(frozen=True)
class EmailKind:
    """An e-mail kind: its sender, the fields of its template, and its eligibility policy."""

    name: str
    sender: str
    """The purpose of the sender address, as in the setting ``SENDGRID_FROM_{purpose}``."""
    fields: Callable[[Row], Mapping[str, Any]]
    policy: EligibilityPolicy
    is_optional: bool = False
    """True if the e-mail has headers with which mail programs offer to unsubscribe."""


_account_policy = EligibilityPolicy("channels/compose_account_messages", "email")
_lead_policy = EligibilityPolicy(
    "channels/compose_lead_messages", "email", "lead_alerts", is_capped=True, rejection=lead_rejection
)
_digest_policy = EligibilityPolicy(
    "channels/compose_digests", "email", "daily_digest", is_capped=True, rejection=digest_rejection
)
_report_policy = EligibilityPolicy("channels/compose_reports", "email", "weekly_report", is_capped=True)
_call_failed_policy = EligibilityPolicy("channels/compose_call_failures", "email")

EMAIL_KINDS = (
    EmailKind("new_lead_alert", "LEADS", lead_alerts.alert, _lead_policy, is_optional=True),
    EmailKind("daily_digest", "DIGEST", digests.digest, _digest_policy, is_optional=True),
    EmailKind("weekly_report", "LEADS", digests.report, _report_policy, is_optional=True),
    EmailKind("welcome_email", "WELCOME", account.welcome, _account_policy),
    EmailKind("payment_receipt", "BILLING", account.receipt, _account_policy),
    EmailKind("expiring_trial", "BILLING", account.trial_reminder, _account_policy, is_optional=True),
    EmailKind("low_token_balance", "SUPPORT", account.low_balance, _account_policy),
    EmailKind("call_failed", "SUPPORT", account.call_failed, _call_failed_policy),
)


def send(kind: EmailKind, claim: Claim) -> None:
    """Send the eligible e-mails in the claim, and record their outcomes."""
    emails = [email for _, email in compose_each(claim, eligible(claim, kind.policy), partial(_compose, kind))]
    if emails:
        _send_batch(kind, claim, emails)


def _compose(kind: EmailKind, row: Row) -> sendgrid.Email:
    headers = links.unsubscribe_headers(row["subscriber_id"]) if kind.is_optional else {}
    return sendgrid.Email(row["id"], row["email"], kind.fields(row), headers)


def _send_batch(kind: EmailKind, claim: Claim, emails: Sequence[sendgrid.Email]) -> None:
    """Send the e-mails in one request.

    If SendGrid rejects the batch and names the invalid e-mails, send the batch again without these e-mails. If SendGrid
    names no e-mail, send the batch again in two halves.
    """
    request = sendgrid.request(kind.name, kind.sender, emails)
    sent = [SentRecord(email.delivery_id, email.recipient) for email in emails]
    dispatch(claim, EMAIL, sent, lambda: sendgrid.send(request), partial(_send_rest, kind, claim, emails))


def _send_rest(kind: EmailKind, claim: Claim, emails: Sequence[sendgrid.Email], error: PermanentFailure) -> None:
    at_fault = {email.delivery_id for position, email in enumerate(emails) if position in error.positions}
    if len(emails) == 1:
        at_fault = {emails[0].delivery_id}
    if at_fault:
        end_rejected(claim, EMAIL, list(at_fault), error)
        parts = [[email for email in emails if email.delivery_id not in at_fault]]
    else:
        half = len(emails) // 2
        parts = [list(emails[:half]), list(emails[half:])]
    for part in filter(None, parts):
        _send_batch(kind, claim, part)
