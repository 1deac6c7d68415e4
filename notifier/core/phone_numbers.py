"""Phone numbers: their E.164 form, and the time zones in which the people who own them may be."""

from __future__ import annotations

import csv
import re
from datetime import datetime, time, timedelta
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from notifier.core.settings import settings

_E164 = re.compile(r"\+[1-9]\d{7,14}")
_NORTH_AMERICAN = re.compile(r"\+1([2-9]\d\d)[2-9]\d{6}")
#: The zones of a number whose area code says only that it is North American. The window must be open in all of them.
EVERYWHERE = (
    "America/St_Johns",
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Los_Angeles",
    "America/Anchorage",
    "Pacific/Honolulu",
)
_DAY = timedelta(days=1)


def e164(number: str | None) -> str | None:
    """Return a number in E.164 (``+13055550123``), or None when it is not a phone number.

    Accepts any punctuation. Ten digits are a North American number.
    """
    text = number or ""
    digits = re.sub(r"\D", "", text)
    if not text.strip().startswith("+"):
        digits = f"1{digits}" if len(digits) == 10 else digits if len(digits) == 11 and digits[0] == "1" else ""
    written = f"+{digits}"
    return written if _E164.fullmatch(written) else None


def zones(number: str) -> tuple[str, ...]:
    """Return the time zones that an E.164 number may be in; none for a number outside the North American plan.

    An area code that spans two zones returns both. Toll-free and unknown codes return all zones.
    """
    match = _NORTH_AMERICAN.fullmatch(number)
    return _area_codes().get(match[1], EVERYWHERE) if match else ()


def next_opening(number: str, moment: datetime) -> datetime | None:
    """Return the first moment from ``moment`` on when ``CALL_WINDOW`` is open in every zone of ``number``.

    Returns ``moment`` itself when the window is open, and None when it never opens, as for a number outside North
    America. The window's end is exclusive. Raises ValueError when the setting is malformed.
    """
    opens, closes = settings.call_window
    local_zones = [ZoneInfo(zone) for zone in zones(number)]
    last = moment + 8 * _DAY
    while local_zones and moment < last:
        later = max(_opening(zone, opens, closes, moment) for zone in local_zones)
        if later == moment:
            return moment
        moment = later
    return None


def _opening(zone: ZoneInfo, opens: time, closes: time, moment: datetime) -> datetime:
    local = moment.astimezone(zone)
    if opens <= local.time() < closes:
        return moment
    day = local.date() if local.time() < opens else local.date() + _DAY
    # By way of UTC, because a change of clocks may skip this local time.
    return datetime.combine(day, opens, zone).astimezone(moment.tzinfo)


@cache
def _area_codes() -> dict[str, tuple[str, ...]]:
    with (Path(__file__).parent / "area_codes.csv").open(encoding="utf-8", newline="") as lines:
        return {row["area_code"]: tuple(row["time_zones"].split()) for row in csv.DictReader(lines)}
