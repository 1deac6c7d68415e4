"""The wording of messages about one lead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from notifier.messages import gsm, links
from notifier.messages.wording import NAME_LENGTH, dollars, one_line, recorded, street_address

HIGH_EQUITY = 100_000
STOP = " Reply STOP to end"


def alert(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of ``new_lead_alert``."""
    equity = row["estimated_equity"]
    indicators = [row["indicator"]]
    if equity is not None and equity >= HIGH_EQUITY:
        indicators.append("High equity")
    return {
        "subscriber_name": one_line(row["first_name"], NAME_LENGTH),
        "lead_type": row["lead_type"],
        "lead_type_display": row["lead_type_label"],
        "lead_score": row["lead_score"],
        "property_address": street_address(row),
        "owner_name": recorded(row["owner_name"], NAME_LENGTH),
        "estimated_equity": dollars(equity),
        "property_type": recorded(row["property_type"], NAME_LENGTH),
        "building_sqft": row["building_sqft"],
        "lot_size_acres": None if row["lot_size_acres"] is None else float(row["lot_size_acres"]),
        "year_built": row["year_built"],
        "motivation_indicators": indicators,
        "lead_date": row["lead_date"].isoformat() if row["lead_date"] else "",
        "view_lead_url": links.app(f"leads/{row['lead_id']}"),
        "dashboard_url": links.app("dashboard"),
        "settings_url": links.app("settings"),
        "unsubscribe_url": links.unsubscribe_url(row["subscriber_id"]),
        "token_balance": row["token_balance"],
    }


def urgent_sms(row: Mapping[str, Any]) -> str:
    """Return the text of ``urgent_lead_sms``, which fits into one segment.

    If the text is too long, the function shortens the address, then drops the STOP notice, and finally drops the link.
    """
    head = f"{row['lead_type_label']} lead (score {row['lead_score']}): "
    address = gsm.plain(street_address(row))
    link = " " + links.app(f"leads/{row['lead_id']}")
    for tail in (link + STOP, link, ""):
        space = gsm.SEGMENT - gsm.septets(head + tail) if gsm.is_gsm(tail) else 0
        if space >= min(len(address), 8):
            return head + address[:space].rstrip() + tail
    return head + address[: gsm.SEGMENT - len(head)]
