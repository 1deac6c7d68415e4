"""What a subscriber is told of a lead, and when not: preferences and suppressions count at the moment of sending."""

from __future__ import annotations

import hashlib
import hmac
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from leads import settings
from notifier.states import State
from notifier.store import rows, transaction

LEAD_TYPES = {
    "new_homeowner": "New homeowner",
    "foreclosure": "Foreclosure",
    "eviction": "Eviction",
    "indebtedness": "Debt suit",
    "probate": "Probate",
    "verdict": "Verdict",
}
#: Why the owner may want to sell or to renovate, by lead type.
INDICATORS = {
    "new_homeowner": ["Bought the property recently"],
    "foreclosure": ["Lis pendens recorded against the property"],
    "eviction": ["Landlord has filed an eviction"],
    "indebtedness": ["Owner is sued for a debt"],
    "probate": ["Property is part of an estate in probate"],
    "verdict": ["Judgment against the owner"],
}
HIGH_EQUITY = 100_000
SMS_LENGTH = 160


@dataclass(frozen=True)
class Hold:
    """A delivery that is not sent now, and why."""

    delivery_id: int
    state: State
    code: str


def load(ids: Sequence[int]) -> list[dict[str, Any]]:
    """Everything about the claimed deliveries ``ids`` in one query, best first."""
    with transaction() as cursor:
        return [dict(row) for row in rows(cursor, "compose_lead_messages", ids=list(ids))]


def sort_out(batch: Sequence[Mapping[str, Any]], *, address: str) -> tuple[list[Mapping[str, Any]], list[Hold]]:
    """Splits a batch into what is sent and what is not. ``address`` names the field to send to."""
    is_email = address == "email"
    mailed: Counter[int] = Counter()
    wanted: list[Mapping[str, Any]] = []
    held: list[Hold] = []
    for row in batch:
        reason = _reason_against(row, address, already=mailed[row["subscriber_id"]] if is_email else 0)
        if reason is None:
            wanted.append(row)
            mailed[row["subscriber_id"]] += 1
        else:
            held.append(Hold(row["id"], *reason))
    return wanted, held


def _reason_against(row: Mapping[str, Any], address: str, *, already: int) -> tuple[State, str] | None:
    preferences = row["preferences"] or {}
    if not row[address]:
        return State.FAILED, "no_email" if address == "email" else "no_phone_number"
    if row["lead_status"] in ("closed", "converted"):
        return State.CANCELLED, "lead_closed"
    if row["is_suppressed"]:
        return State.SUPPRESSED, "suppressed"
    if preferences.get("lead_alerts", True) is False:
        return State.SKIPPED, "preference"
    if row["lead_score"] < (preferences.get("lead_score_threshold") or 0):
        return State.SKIPPED, "score_threshold"
    cap = preferences.get("max_daily_emails")
    if address == "email" and cap is not None and (row["mailed_today"] or 0) + already >= cap:
        return State.SKIPPED, "daily_cap"
    return None


def email_data(row: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that the template ``new_lead_alert`` expects."""
    front = settings.text("FRONTEND_URL", "http://localhost:3000")
    equity = row["estimated_equity"]
    indicators = list(INDICATORS[row["lead_type"]])
    if equity is not None and equity >= HIGH_EQUITY:
        indicators.append("High equity")
    return {
        "subscriber_name": row["first_name"] or "",
        "lead_type": row["lead_type"],
        "lead_type_display": LEAD_TYPES[row["lead_type"]],
        "lead_score": row["lead_score"],
        "property_address": _place(row),
        "owner_name": row["owner_name"] or "",
        "estimated_equity": _dollars(equity),
        "property_type": row["property_type"] or "",
        "building_sqft": row["building_sqft"],
        "lot_size_acres": None if row["lot_size_acres"] is None else float(row["lot_size_acres"]),
        "year_built": row["year_built"],
        "motivation_indicators": indicators,
        "lead_date": row["lead_date"].isoformat() if row["lead_date"] else "",
        "view_lead_url": f"{front}/leads/{row['lead_id']}",
        "dashboard_url": f"{front}/dashboard",
        "settings_url": f"{front}/settings",
        "unsubscribe_url": unsubscribe_url(row["subscriber_id"]),
        "token_balance": row["token_balance"],
    }


def sms_body(row: Mapping[str, Any]) -> str:
    """A text of one segment: GSM-7 and at most 160 characters, the place shortened where it has to be."""
    front = settings.text("FRONTEND_URL", "http://localhost:3000")
    head = f"{LEAD_TYPES[row['lead_type']]} lead (score {row['lead_score']}): "
    tail = f" {front}/leads/{row['lead_id']} Reply STOP to end"
    place = _plain(_place(row) or "address unknown")
    return head + place[: max(0, SMS_LENGTH - len(head) - len(tail))].rstrip() + tail


def unsubscribe_url(subscriber_id: int) -> str:
    """The link by which a subscriber stops our e-mails."""
    return f"{settings.text('API_URL', 'http://localhost:8000')}/unsubscribe?token={unsubscribe_token(subscriber_id)}"


def unsubscribe_token(subscriber_id: int) -> str:
    """What nobody can make for somebody else: the subscriber's id with an HMAC over it."""
    key = settings.text("NOTIFIER_SECRET_KEY").encode()
    mark = hmac.new(key, f"unsubscribe:{subscriber_id}".encode(), hashlib.sha256).hexdigest()[:32]
    return f"{subscriber_id}.{mark}"


def unsubscribe_headers(subscriber_id: int) -> dict[str, str]:
    """One-click unsubscribing as mail programs offer it (RFC 8058)."""
    return {
        "List-Unsubscribe": f"<{unsubscribe_url(subscriber_id)}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }


def _place(row: Mapping[str, Any]) -> str:
    street = " ".join(filter(None, (row["address"], row["unit"])))
    return ", ".join(filter(None, (street, row["city"])))


def _dollars(amount: Decimal | None) -> str:
    if amount is None:
        return ""
    return f"-${-amount:,.0f}" if amount < 0 else f"${amount:,.0f}"


def _plain(text: str) -> str:
    """Without accents and marks that would make every character cost two bytes."""
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return "".join(character for character in ascii_text if character not in "`^{}[]~\\|")
