"""Spell an address the way clerks do, or turn it into a different address that looks similar."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from random import Random

# fmt: off
LONG = {
    "ST": ("STREET", "STR"), "AVE": ("AVENUE", "AV"), "TER": ("TERRACE", "TERR"), "CT": ("COURT",),
    "LN": ("LANE", "LA"), "PL": ("PLACE",), "DR": ("DRIVE",), "BLVD": ("BOULEVARD",), "RD": ("ROAD",),
    "CIR": ("CIRCLE",), "WAY": ("WY",), "HWY": ("HIGHWAY",), "PKWY": ("PARKWAY",), "CSWY": ("CAUSEWAY",),
    "TRL": ("TRAIL",),
}
DIRECTIONS = {
    "NW": ("NORTHWEST", "N.W.", "N W"), "NE": ("NORTHEAST", "N.E.", "N E"), "SW": ("SOUTHWEST", "S.W.", "S W"),
    "SE": ("SOUTHEAST", "S.E.", "S E"), "N": ("NORTH", "N."), "S": ("SOUTH", "S."), "E": ("EAST", "E."),
    "W": ("WEST", "W."),
}
ALIASES = {
    "SW 8 ST": ("CALLE OCHO", "TAMIAMI TRAIL", "SW 8TH ST"), "SW 88 ST": ("N KENDALL DR", "KENDALL DRIVE"),
    "SW 40 ST": ("BIRD RD", "BIRD ROAD"), "SW 72 ST": ("SUNSET DR", "SUNSET DRIVE"), "SW 56 ST": ("MILLER DR",),
    "SW 152 ST": ("CORAL REEF DR",), "SW 67 AVE": ("LUDLAM RD", "S LUDLAM ROAD"), "SW 24 ST": ("CORAL WAY",),
    "NE 163 ST": ("NORTH MIAMI BEACH BLVD",), "NW 183 ST": ("NW MIAMI GARDENS DR",),
}
WORDS = {1: "FIRST", 2: "SECOND", 3: "THIRD", 4: "FOURTH", 5: "FIFTH", 7: "SEVENTH", 8: "EIGHTH", 10: "TENTH"}
# fmt: on
UNITS = (" {}", " #{}", " # {}", " APT {}", " UNIT {}", ", Unit {}", " STE {}", " APT #{}", "#{}", " Apartment {}")
_GRID = re.compile(r"(\S+) ([NS][EW]|[NSEW]) (\d+) (.+)")


def ordinal(number: int) -> str:
    """Return a number as an ordinal, for example 8TH for 8 and 21ST for 21."""
    ending = "TH" if number % 100 in (11, 12, 13) else {1: "ST", 2: "ND", 3: "RD"}.get(number % 10, "TH")
    return f"{number}{ending}"


def variant(address: str, unit: str, chance: Random) -> str:
    """Return a different spelling of the same address and unit."""
    styles = [style for style in STYLES.values() if chance.random() < 0.4]
    text = address
    for style in styles:
        text = style(text, chance) or text
    return f"{text}{unit_text(unit, chance)}"


def unit_text(unit: str, chance: Random) -> str:
    """Return the unit in one of the styles that clerks use after a street name."""
    return chance.choice(UNITS).format(unit.lstrip("#")) if unit else ""


def with_ordinal(address: str, chance: Random) -> str | None:
    """Write the number of a numbered street as an ordinal."""
    match = _GRID.fullmatch(address)
    return match and f"{match[1]} {match[2]} {ordinal(int(match[3]))} {match[4]}"


def with_number_word(address: str, chance: Random) -> str | None:
    """Write the number of a numbered street as a word."""
    match = _GRID.fullmatch(address)
    word = match and WORDS.get(int(match[3]))
    return match and word and f"{match[1]} {match[2]} {word} {match[4]}"


def with_long_type(address: str, chance: Random) -> str | None:
    """Spell out the street's type."""
    head, _, kind = address.rpartition(" ")
    return f"{head} {chance.choice(LONG[kind])}" if kind in LONG else None


def with_long_direction(address: str, chance: Random) -> str | None:
    """Spell out the direction."""
    house, direction, *rest = address.split()
    others = [way for way in DIRECTIONS.get(direction, ()) if rest[0][0].isdigit() or len(way.split()) == 1]
    return " ".join([house, chance.choice(others), *rest]) if others else None


def with_direction_behind(address: str, chance: Random) -> str | None:
    """Write the direction after the street."""
    match = _GRID.fullmatch(address)
    return match and f"{match[1]} {match[3]} {match[4]} {match[2]}"


def with_alias(address: str, chance: Random) -> str | None:
    """Replace the street's name with another name for the same street."""
    house, _, street = address.partition(" ")
    return f"{house} {chance.choice(ALIASES[street])}" if street in ALIASES else None


def with_misspelling(address: str, chance: Random) -> str | None:
    """Misspell the street's name by doubling, dropping or changing one letter, or by swapping two letters."""
    words = address.split()
    names = [n for n, word in enumerate(words[1:-1], 1) if word.isalpha() and len(word) >= 6]
    if not names:
        return None
    n = chance.choice(names)
    at = chance.randrange(1, len(words[n]) - 1)
    a, b, rest = words[n][:at], words[n][at : at + 2], words[n][at + 2 :]
    slips = (a + b[0] + b + rest, a + b[1:] + rest, a + chance.choice("AEIOUNRSTL") + b[1:] + rest, a + b[::-1] + rest)
    words[n] = chance.choice(slips)
    return " ".join(words)


def with_noise(address: str, chance: Random) -> str | None:
    """Change the case, periods, spaces or leading zeros. None of these changes the meaning of the address."""
    house, _, street = address.partition(" ")
    noises = (address.lower(), address.title(), f"{house}  {street}", f"0{house} {street}", f"{address}.", address)
    return chance.choice(noises)


#: Ways in which clerks spell an address. Each function returns None if it does not apply to the address.
STYLES: Mapping[str, Callable[[str, Random], str | None]] = {
    "alias": with_alias,
    "ordinal": with_ordinal,
    "long type": with_long_type,
    "long direction": with_long_direction,
    "noise": with_noise,
}


def wrong(address: str, chance: Random) -> str:
    """Return text that matches no parcel: an address with a wrong house number, or text that is not an address."""
    if chance.random() < 0.2:
        return chance.choice(("UNKNOWN ADDRESS", "PO BOX 1234", "HOMELESS"))
    house, _, street = address.partition(" ")
    return f"{int(house) + 30_000} {street}"


def in_another_direction(address: str, chance: Random) -> str | None:
    """Return the address with a different direction, for example NW instead of SW."""
    house, direction, *rest = address.split()
    others = [way for way in DIRECTIONS if len(way) == len(direction) and way != direction]
    return " ".join([house, chance.choice(others), *rest]) if direction in DIRECTIONS else None


def of_another_type(address: str, chance: Random) -> str | None:
    """Return the address with a different street type, for example AVE instead of ST."""
    head, _, kind = address.rpartition(" ")
    return f"{head} {chance.choice([other for other in ('ST', 'AVE', 'TER', 'CT', 'LN', 'PL', 'DR') if other != kind])}"


def in_another_street(address: str, chance: Random) -> str | None:
    """Return the address on another numbered street, such as 13 ST for 12 ST; the house number stays."""
    match = _GRID.fullmatch(address)
    return match and f"{match[1]} {match[2]} {int(match[3]) + chance.choice((1, 10, 100))} {match[4]}"


def at_another_number(address: str, chance: Random) -> str | None:
    """Return the address with a different house number."""
    house, _, street = address.partition(" ")
    return f"{int(house) + chance.choice((1, 2, 10, 100))} {street}"


#: Ways to make a similar address that must not match the original.
DECEPTIONS: Mapping[str, Callable[[str, Random], str | None]] = {
    "another direction": in_another_direction,
    "another type": of_another_type,
    "another street": in_another_street,
    "another number": at_another_number,
}
