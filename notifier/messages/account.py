"""The wording of messages about a subscriber's account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from leads.clock import local_day
from notifier.core.preferences import Preferences
from notifier.core.settings import settings
from notifier.messages import links
from notifier.messages.wording import NAME_LENGTH, long_date, one_line, street_address

Row = Mapping[str, Any]
#: The reasons why a call was not made, keyed by the delivery's error code.
CALL_ERRORS = {
    "no_phone_number": "the lead has no phone number",
    "no_consent": "we have no consent to call this number",
}


def welcome(row: Row) -> dict[str, Any]:
    """Return the fields of ``welcome_email``."""
    return {
        "first_name": one_line(row["first_name"], NAME_LENGTH),
        "account_type": row["subscription_type"] or "",
        "token_balance": row["token_balance"],
        "setup_guide_url": links.app("setup"),
        "dashboard_url": links.app("dashboard"),
        "support_email": settings.sender("SUPPORT"),
    }


def receipt(row: Row) -> dict[str, Any]:
    """Return the fields of ``payment_receipt``.

    The balance includes the purchased tokens, which the app adds before it sends the receipt.
    """
    charge = row["params"]["stripe_charge_id"]
    return {
        "customer_name": one_line(row["first_name"], NAME_LENGTH),
        "charge_id": charge,
        "amount_paid": f"${row['params']['amount'] / 100:,.2f}",
        "tokens_purchased": row["params"]["tokens_purchased"],
        "new_balance": row["token_balance"],
        "invoice_url": links.app(f"invoices/{charge}"),
        "support_email": settings.sender("SUPPORT"),
    }


def trial_reminder(row: Row) -> dict[str, Any]:
    """Return the fields of ``expiring_trial``."""
    ends = row["trial_ends_at"]
    return {
        "subscriber_name": one_line(row["first_name"], NAME_LENGTH),
        "days_remaining": row["params"]["days_remaining"],
        "trial_end_date": long_date(local_day(ends)) if ends else "",
        "tokens_used": int(row["tokens_used"]),
        "tokens_remaining": row["token_balance"],
        "upgrade_url": links.app("upgrade"),
    }


def low_balance(row: Row) -> dict[str, Any]:
    """Return the fields of ``low_token_balance``."""
    return {
        "subscriber_name": one_line(row["first_name"], NAME_LENGTH),
        "token_balance": row["token_balance"],
        "threshold": Preferences.of(row["preferences"]).low_balance_threshold,
        "purchase_url": links.app("tokens"),
    }


def call_failed(row: Row) -> dict[str, Any]:
    """Return the fields of ``call_failed``: the call, the reason why it was not made, and the returned tokens."""
    return {
        "subscriber_name": one_line(row["first_name"], NAME_LENGTH),
        "property_address": street_address(row),
        "call_date": long_date(local_day(row["called_at"])) if row["called_at"] else "",
        "reason": CALL_ERRORS.get(row["call_error"], "the call could not be placed"),
        "tokens_returned": row["call_tokens"] or 0,
        "dashboard_url": links.app("dashboard"),
        "support_email": settings.sender("SUPPORT"),
    }
