"""The wording of the daily digest and the weekly report."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from typing import Any

from notifier.messages import links
from notifier.messages.wording import NAME_LENGTH, dollars, long_date, one_line, recorded, street_address

Row = Mapping[str, Any]


def digest(row: Row) -> dict[str, Any]:
    """Return the fields of ``daily_digest``, including the 20 leads with the highest scores."""
    url = links.app("leads")
    return {
        "subscriber_name": one_line(row["first_name"], NAME_LENGTH),
        "date": long_date(date.fromisoformat(row["params"]["day"])),
        "total_leads": row["total_leads"],
        "avg_score": row["avg_score"] or 0,
        "lead_type_breakdown": dict(sorted(row["breakdown"].items())),
        "leads": [_line(url, **lead) for lead in row["leads"]],
        "dashboard_url": links.app("dashboard"),
        "unsubscribe_url": links.unsubscribe_url(row["subscriber_id"]),
    }


@lru_cache(maxsize=2_000)
def _line(url: str, **lead: Any) -> Mapping[str, Any]:
    """Return the fields of one lead. The digests of a batch have many leads in common."""
    return {
        "address": street_address(lead),
        "owner": recorded(lead["owner_name"], NAME_LENGTH),
        "type": lead["lead_type"],
        "score": lead["lead_score"],
        "equity": dollars(lead["estimated_equity"]),
        "url": f"{url}/{lead['lead_id']}",
    }


def report(row: Row) -> dict[str, Any]:
    """Return the fields of ``weekly_report``: the leads that were sent that week, and their results."""
    total = row["total_leads"]
    return {
        "subscriber_name": one_line(row["first_name"], NAME_LENGTH),
        "week_start": long_date(row["first_day"]),
        "week_end": long_date(row["last_day"]),
        "total_leads": total,
        "leads_contacted": row["contacted"],
        "contact_rate": _percent(row["contacted"], total),
        "leads_converted": row["converted"],
        "conversion_rate": _percent(row["converted"], total),
        "avg_lead_score": row["avg_score"] or 0,
        "top_lead_type": row["top_type"] or "",
        "top_city": recorded(row["top_city"], NAME_LENGTH),
        "dashboard_url": links.app("dashboard"),
    }


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}%" if whole else "0.0%"
