"""Phone numbers in E.164 form, and the time zones to which a number may belong."""

from __future__ import annotations

import csv
import re
from datetime import datetime, time, timedelta
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import phonenumbers

from notifier.core.settings import settings

#: Characters between digits: spaces, punctuation, dashes, and the invisible marks that phones add to copied numbers.
#: The SQL function ``e164`` removes the same characters.
_SEPARATORS = re.compile(r"[ \t\r\n().\-/\u00a0\u200b-\u200f\u2010-\u2015\u202a-\u202f\u2060-\u2069\u2212\ufeff]+")
#: Matches the digits of a North American number with or without a leading 1, or of an international number after ``+``
#: or ``011``.
_WRITTEN = re.compile(r"(?:(?:\+|011)?1)?([2-9][0-9]{2}[2-9][0-9]{6})|(?:\+|011)([2-9][0-9]{6,13})")
_NORTH_AMERICAN = re.compile(r"\+1([2-9]\d\d)[2-9]\d{6}")
#: The time zones to assume if the area code shows only that a number is North American. The call window must be open in
#: all of these zones.
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


def e164(text: str | None) -> str | None:
    """Return a phone number in E.164 form (``+13055550123``), or None if the text is not exactly one phone number.

    Accepts the usual punctuation. A number with ten digits counts as North American. Rejects letters, extensions, and
    numbers that are too long or too short for their country. If the result is not None, the SQL function ``e164``
    returns the same number.
    """
    match = _WRITTEN.fullmatch(_SEPARATORS.sub("", text or ""))
    if match is None:
        return None
    number = f"+1{match[1]}" if match[1] else f"+{match[2]}"
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return None
    written = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    return number if written == number and phonenumbers.is_possible_number(parsed) else None


def is_allowed(number: str) -> bool:
    """Return whether an E.164 number belongs to a country in ``PHONE_COUNTRIES`` and is not a premium-rate number.

    Satellite numbers, and numbers that no country has assigned, do not belong to any country.
    """
    parsed = phonenumbers.parse(number)
    is_premium = phonenumbers.number_type(parsed) == phonenumbers.PhoneNumberType.PREMIUM_RATE
    return not is_premium and phonenumbers.region_code_for_number(parsed) in settings.phone_countries


def zones(number: str) -> tuple[str, ...]:
    """Return the possible time zones of an E.164 number.

    For a number outside the North American Numbering Plan, the result is empty. If an area code spans two zones, the
    result contains both zones. For toll-free and unknown area codes, the result contains all zones.
    """
    match = _NORTH_AMERICAN.fullmatch(number)
    return _area_codes().get(match[1], EVERYWHERE) if match else ()


def next_opening(number: str, moment: datetime) -> datetime | None:
    """Return the first time at or after ``moment`` when ``CALL_WINDOW`` is open in all of ``number``'s time zones.

    Returns ``moment`` itself if the window is open, and None if the number is outside North America or the window never
    opens. The window does not include its closing time. Raises ValueError if the setting is malformed.
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


def opening_zone(number: str, opening: datetime) -> str | None:
    """Return the time zone whose call window opens at ``opening``, or None if the number has no such zone."""
    opens, _ = settings.call_window
    return next((zone for zone in zones(number) if opening.astimezone(ZoneInfo(zone)).time() == opens), None)


def _opening(zone: ZoneInfo, opens: time, closes: time, moment: datetime) -> datetime:
    local = moment.astimezone(zone)
    if opens <= local.time() < closes:
        return moment
    day = local.date() if local.time() < opens else local.date() + _DAY
    # Convert through UTC, because daylight saving time may skip this local time.
    return datetime.combine(day, opens, zone).astimezone(moment.tzinfo)


@cache
def _area_codes() -> dict[str, tuple[str, ...]]:
    with (Path(__file__).parent / "area_codes.csv").open(encoding="utf-8", newline="") as lines:
        return {row["area_code"]: tuple(row["time_zones"].split()) for row in csv.DictReader(lines)}
