"""Phone numbers: one way to write them, and the time zones of the people behind them."""

from __future__ import annotations

import csv
import re
from datetime import datetime, time, timedelta
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from leads import settings

_E164 = re.compile(r"\+[1-9]\d{7,14}")
_NORTH_AMERICAN = re.compile(r"\+1([2-9]\d\d)[2-9]\d{6}")
#: Where a number may be when its code says only that it is North American: it must be day in all of it.
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
    """``+13055550123`` for any way to write it; ten digits are American. None for what is no phone number."""
    text = number or ""
    digits = re.sub(r"\D", "", text)
    if not text.strip().startswith("+"):
        digits = f"1{digits}" if len(digits) == 10 else digits if len(digits) == 11 and digits[0] == "1" else ""
    written = f"+{digits}"
    return written if _E164.fullmatch(written) else None


def zones(number: str) -> tuple[str, ...]:
    """The time zones that a number in E.164 may be in; none for a number outside North America's plan.

    An area code that lies in two zones has both. Toll-free and unknown codes may be anywhere.
    """
    match = _NORTH_AMERICAN.fullmatch(number)
    return _area_codes().get(match[1], EVERYWHERE) if match else ()


def next_opening(number: str, moment: datetime) -> datetime | None:
    """The first moment from ``moment`` on at which ``CALL_WINDOW`` is open for ``number`` in every zone it may be in.

    ``moment`` itself when the window is open; None when it never is, as for a number outside North America. The
    window's end is outside it. Raises ValueError when the setting is no window.
    """
    opens, closes = call_window()
    places = [ZoneInfo(zone) for zone in zones(number)]
    last = moment + 8 * _DAY
    while places and moment < last:
        later = max(_opening(place, opens, closes, moment) for place in places)
        if later == moment:
            return moment
        moment = later
    return None


def call_window() -> tuple[time, time]:
    """When leads may be called, in their own time zone; raises ValueError when ``CALL_WINDOW`` is no window."""
    text = settings.text("CALL_WINDOW", "08:00-20:00")
    try:
        opens, closes = (time.fromisoformat(part.strip()) for part in text.split("-"))
    except ValueError:
        opens = closes = time.min
    if not opens < closes:
        raise ValueError(f"CALL_WINDOW is {text!r}: set it to opening and closing time of one day, such as 08:00-20:00")
    return opens, closes


def _opening(place: ZoneInfo, opens: time, closes: time, moment: datetime) -> datetime:
    local = moment.astimezone(place)
    if opens <= local.time() < closes:
        return moment
    day = local.date() if local.time() < opens else local.date() + _DAY
    # Through UTC, so that a time which a change of clocks leaves out becomes one that exists.
    return datetime.combine(day, opens, place).astimezone(moment.tzinfo)


@cache
def _area_codes() -> dict[str, tuple[str, ...]]:
    with (Path(__file__).parent / "area_codes.csv").open(encoding="utf-8", newline="") as lines:
        return {row["area_code"]: tuple(row["time_zones"].split()) for row in csv.DictReader(lines)}
