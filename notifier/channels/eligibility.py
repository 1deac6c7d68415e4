"""Checks eligibility at the time of sending: suppressions, preferences, the lead's state and the daily cap."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from leads.logs import get_logger
from notifier.core.db import rows, transaction
from notifier.core.phone_numbers import e164, is_allowed
from notifier.core.preferences import Preferences
from notifier.core.states import State
from notifier.deliveries import lifecycle
from notifier.deliveries.lifecycle import Claim

log = get_logger(__name__)

#: Matches only e-mail addresses that SendGrid's Python package leaves unchanged. SendGrid's package splits other
#: addresses or drops parts of them.
_EMAIL = re.compile(r"[^@\s<>,;\"]+@[^@\s<>,;\"]+")

#: A composed delivery: the columns that its kind's SQL statement selects.
Row = Mapping[str, Any]


class Rejection(NamedTuple):
    """The reason why a delivery is not sent (``deliveries.error_code``), and the delivery's final state."""

    state: State
    code: str


def lead_rejection(row: Row, preferences: Preferences) -> Rejection | None:
    """Return a rejection if the lead is closed or its score is below the subscriber's minimum."""
    if row["lead_status"] in ("closed", "converted"):
        return Rejection(State.CANCELLED, "lead_closed")
    if row["lead_score"] < preferences.lead_score_threshold:
        return Rejection(State.SKIPPED, "score_threshold")
    return None


def digest_rejection(row: Row, preferences: Preferences) -> Rejection | None:
    """Return a rejection if the digest has no leads and the subscriber does not want empty digests."""
    if not row["total_leads"] and preferences.skip_empty_digests:
        return Rejection(State.SKIPPED, "no_new_leads")
    return None


@dataclass(frozen=True)
class EligibilityPolicy:
    """The SQL that composes the deliveries of a kind, and the rules that decide which of them are eligible."""

    statement: str
    """The SQL file that selects the columns for the kind's wording and for this policy."""
    address: str
    """The column with the recipient's address: ``email`` or ``phone_number``."""
    preference: str = ""
    """The field of Preferences that turns the kind off."""
    is_capped: bool = False
    """True if the kind counts toward ``max_daily_emails``."""
    rejection: Callable[[Row, Preferences], Rejection | None] = lambda row, preferences: None
    """Returns a further reason not to send a delivery of this kind."""


def eligible(claim: Claim, policy: EligibilityPolicy) -> list[Row]:
    """Return the composed rows for the claim's eligible deliveries, sorted by priority.

    Finishes the deliveries that are not eligible.
    """
    with transaction() as cursor:
        composed = rows(cursor, policy.statement, ids=list(claim.ids))
    sending: Counter[int] = Counter()
    kept: list[Row] = []
    rejected: defaultdict[Rejection, list[int]] = defaultdict(list)
    for row in composed:
        rejection = _rejection(row, policy, sending[row["subscriber_id"]])
        if rejection is None:
            kept.append(row)
            sending[row["subscriber_id"]] += 1
        else:
            rejected[rejection].append(row["id"])
    for (state, code), ids in rejected.items():
        lifecycle.end(claim, ids, state, code)
    if missing := set(claim.ids) - {row["id"] for row in composed}:
        # A row that another program wrote may lack the lead or subscriber that the kind requires.
        lifecycle.end(claim, missing, State.FAILED, "incomplete", "the subscriber, lead or property does not exist")
    return kept


def _rejection(row: Row, policy: EligibilityPolicy, sending: int) -> Rejection | None:
    """Return why a delivery must not be sent, or None if it may be sent.

    ``sending`` counts the subscriber's other e-mails in the same claim.
    """
    preferences = Preferences.of(row["preferences"])
    if not row[policy.address]:
        return Rejection(State.FAILED, f"no_{policy.address}")
    if policy.address == "email" and not _EMAIL.fullmatch(row["email"]):
        return Rejection(State.FAILED, "invalid_email")
    if policy.address == "phone_number" and (rejection := _number_rejection(row["phone_number"])):
        return rejection
    if row["is_suppressed"]:
        return Rejection(State.SUPPRESSED, "suppressed")
    if policy.preference and not getattr(preferences, policy.preference):
        return Rejection(State.SKIPPED, "preference")
    if rejection := policy.rejection(row, preferences):
        return rejection
    cap = preferences.max_daily_emails
    if policy.is_capped and cap is not None and (row["mailed_today"] or 0) + sending >= cap:
        return Rejection(State.SKIPPED, "daily_cap")
    return None


def _number_rejection(text: str) -> Rejection | None:
    number = e164(text)
    if number is None:
        return Rejection(State.FAILED, "no_phone_number")
    return None if is_allowed(number) else Rejection(State.SKIPPED, "foreign_number")


def compose_each(claim: Claim, batch: Sequence[Row], compose: Callable[[Row], Any]) -> list[tuple[int, Any]]:
    """Return a pair for each row: the delivery id, and the result of ``compose``.

    If a row cannot be composed, only its delivery fails, and the rest of the batch is sent.
    """
    composed = []
    for row in batch:
        try:
            composed.append((int(row["id"]), compose(row)))
        except (KeyError, TypeError, ValueError, ArithmeticError) as error:
            log.error("not_composed", delivery_id=row["id"], error=type(error).__name__)
            lifecycle.end(claim, [row["id"]], State.FAILED, "not_composed", f"its params: {type(error).__name__}")
    return composed
