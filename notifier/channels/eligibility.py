"""Who is not written to after all: preferences, suppressions and the daily cap count at the moment of sending."""

from __future__ import annotations

import logging
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from notifier.core.db import rows, transaction
from notifier.core.preferences import Preferences
from notifier.core.states import State
from notifier.deliveries import lifecycle
from notifier.deliveries.lifecycle import Claim

log = logging.getLogger(__name__)

#: What the provider's package would take apart or lose instead of sending to it.
_EMAIL = re.compile(r"[^@\s<>,;\"]+@[^@\s<>,;\"]+")

Row = Mapping[str, Any]
Rejection = tuple[State, str]


@dataclass(frozen=True)
class EligibilityPolicy:
    """What is composed for a kind, by ``statement``, and what may forbid it."""

    statement: str
    address: str
    """The column it is sent to: ``email`` or ``phone_number``."""
    preference: str = ""
    """The preference that switches it off."""
    is_capped: bool = False
    """It counts against ``max_daily_emails``."""
    against: Callable[[Row, Preferences], Rejection | None] = lambda row, preferences: None


def wanted(claim: Claim, policy: EligibilityPolicy) -> list[Row]:
    """The composed rows of the claim that are sent, best first; the others are ended with their reason."""
    with transaction() as cursor:
        composed = rows(cursor, policy.statement, ids=list(claim.ids))
    mailed: Counter[int] = Counter()
    kept: list[Row] = []
    ended: defaultdict[Rejection, list[int]] = defaultdict(list)
    for row in composed:
        reason = _reason_against(row, policy, mailed[row["subscriber_id"]])
        if reason is None:
            kept.append(row)
            mailed[row["subscriber_id"]] += 1
        else:
            ended[reason].append(row["id"])
    for (state, code), ids in ended.items():
        lifecycle.end(claim, ids, state, code)
    if missing := set(claim.ids) - {row["id"] for row in composed}:
        # Rows that somebody else wrote, without the lead or subscriber that their kind is about.
        lifecycle.end(claim, missing, State.FAILED, "incomplete", "its subscriber, lead or property is missing")
    return kept


def _reason_against(row: Row, policy: EligibilityPolicy, mailed: int) -> Rejection | None:
    preferences = Preferences.of(row["preferences"])
    if not row[policy.address]:
        return State.FAILED, f"no_{policy.address}"
    if policy.address == "email" and not _EMAIL.fullmatch(row["email"]):
        return State.FAILED, "invalid_email"
    if row["is_suppressed"]:
        return State.SUPPRESSED, "suppressed"
    if policy.preference and not getattr(preferences, policy.preference):
        return State.SKIPPED, "preference"
    if reason := policy.against(row, preferences):
        return reason
    cap = preferences.max_daily_emails
    if policy.is_capped and cap is not None and (row["mailed_today"] or 0) + mailed >= cap:
        return State.SKIPPED, "daily_cap"
    return None


def composed(claim: Claim, batch: Sequence[Row], compose: Callable[[Row], Any]) -> list[tuple[int, Any]]:
    """What ``compose`` makes of each row. One that it cannot make anything of stands alone: the rest is sent."""
    made = []
    for row in batch:
        try:
            made.append((int(row["id"]), compose(row)))
        except (KeyError, TypeError, ValueError, ArithmeticError) as error:
            log.error("Delivery %s cannot be composed (%s)", row["id"], type(error).__name__)
            lifecycle.end(claim, [row["id"]], State.FAILED, "not_composed", f"its params: {type(error).__name__}")
    return made
