"""The same address as other clerks would write it, right and wrong."""

from __future__ import annotations

import re
from random import Random

LONG = {"ST": "STREET", "AVE": "AVENUE", "TER": "TERRACE", "CT": "COURT", "LN": "LANE", "PL": "PLACE", "DR": "DRIVE"}
OTHER_SHORT = {"TER": "TERR", "LN": "LA", "AVE": "AV", "BLVD": "BOULEVARD"}
DIRECTIONS = {"NW": "NORTHWEST", "NE": "N.E.", "SW": "S.W.", "SE": "SOUTHEAST"}
ALIASES = {"SW 8 ST": "CALLE OCHO", "SW 88 ST": "N KENDALL DR", "SW 40 ST": "BIRD RD", "SW 72 ST": "SUNSET DR"}


def ordinal(number: int) -> str:
    """8 → 8TH, 21 → 21ST, 12 → 12TH."""
    ending = "TH" if number % 100 in (11, 12, 13) else {1: "ST", 2: "ND", 3: "RD"}.get(number % 10, "TH")
    return f"{number}{ending}"


def variant(address: str, unit: str, chance: Random) -> str:
    """Another spelling of the same place."""
    house, _, street = address.partition(" ")
    if street in ALIASES and chance.random() < 0.5:
        return f"{house} {ALIASES[street]}"
    words = street.split()
    if re.fullmatch(r"[NS][EW] \d+ \w+", street):
        direction, number, kind = words
        if chance.random() < 0.6:
            number = ordinal(int(number))
        if chance.random() < 0.3:
            direction = DIRECTIONS[direction]
        words = [direction, number, _kind(kind, chance)]
    else:
        words[-1] = _kind(words[-1], chance)
    text = " ".join([house, *words])
    if unit:
        text += chance.choice((" {}", " #{}", " APT {}", " UNIT {}", ", Unit {}")).format(unit.lstrip("#"))
    return text.title() if chance.random() < 0.2 else text


def wrong(address: str, chance: Random) -> str:
    """An address that is no parcel's: one figure slipped, or nonsense."""
    if chance.random() < 0.2:
        return "UNKNOWN ADDRESS"
    house, _, street = address.partition(" ")
    return f"{int(house) + 30_000} {street}"


def _kind(kind: str, chance: Random) -> str:
    draw = chance.random()
    if draw < 0.4:
        return LONG.get(kind, kind)
    return OTHER_SHORT.get(kind, kind) if draw < 0.6 else kind
