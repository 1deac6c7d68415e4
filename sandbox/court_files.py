"""Generate the files for the weekly feed (evictions, debt suits) and for the monthly feed (probate, verdicts)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from random import Random

from sandbox import names
from sandbox.daily_files import county_date
from sandbox.spelling import variant, wrong
from sandbox.world import Parcel, parcels


def evictions(seed: int, day: date, count: int) -> Iterator[str]:
    """Yield the lines of an evictions file."""
    for chance, place, number in _cases(seed, "evictions", day, count):
        filed = day - timedelta(days=chance.randrange(1, 8))
        disposition = chance.choice(("", "", "", "JUDGMENT FOR PLAINTIFF", "DISMISSED"))
        landlord = chance.choice((place.owner_name, place.owner_name, ""))
        yield "^".join(
            [
                f"{filed.year}-{number:06d}-CC-05",
                county_date(filed),
                disposition,
                f"CC{number % 12:02d}",
                names.person(chance),
                *_address(place, chance),
                landlord,
            ]
        )


def indebtedness(seed: int, day: date, count: int) -> Iterator[str]:
    """Yield the lines of an indebtedness file."""
    for chance, place, number in _cases(seed, "indebtedness", day, count):
        filed = day - timedelta(days=chance.randrange(1, 8))
        closed = chance.random() < 0.3
        yield "^".join(
            [
                f"{filed.year}-{number:06d}-SP-23",
                "CONTRACT AND INDEBTEDNESS",
                f"SP{number % 9:02d}",
                county_date(filed),
                chance.choice(names.BANKS),
                place.owner_name,
                "CLOSED" if closed else "OPEN",
                county_date(day) if closed else "00000000",
                "DFJ" if closed else "",
                "DEFAULT FINAL JUDGMENT" if closed else "",
                f"{chance.randrange(800, 45_000):0>16}.00",
                *_address(place, chance),
            ]
        )


def probate(seed: int, day: date, count: int) -> Iterator[str]:
    """Yield two lines for each probate case.

    The first line is for the decedent and has the property's address; the second line is for the petitioner.
    """
    for chance, place, number in _cases(seed, "probate", day, count):
        filed = day - timedelta(days=chance.randrange(1, 28))
        case = [f"{filed.year}-{number:06d}-CP-02", county_date(filed), "SUMMARY ADMINISTRATION"]
        died = county_date(filed - timedelta(days=chance.randrange(20, 200)))
        estate = f"{chance.randrange(50, 900) * 1000:0>16}.00"
        yield "^".join([*case, "DECEDENT", names.person(chance), died, estate, *_address(place, chance)])
        yield "^".join([*case, "PETITIONER", names.person(chance), "00000000", "", "", "", "", ""])


def verdicts(seed: int, day: date, count: int) -> Iterator[str]:
    """Yield the lines of a verdicts file."""
    for chance, place, number in _cases(seed, "verdicts", day, count):
        given = day - timedelta(days=chance.randrange(1, 28))
        yield "^".join(
            [
                f"{given.year}-{number:06d}-CA-01",
                county_date(given),
                "CONTRACT",
                names.company(chance),
                place.owner_name,
                f"{chance.randrange(5, 400) * 1000:0>16}.00",
                *_address(place, chance),
            ]
        )


#: A court file's name → the function that yields the file's lines.
MAKERS: dict[str, Callable[[int, date, int], Iterator[str]]] = {
    "Evictions": evictions,
    "Indebtedness": indebtedness,
    "Probate": probate,
    "Verdicts": verdicts,
}


def _cases(seed: int, name: str, day: date, count: int) -> Iterator[tuple[Random, Parcel, int]]:
    chance = Random(f"{name} {seed} {day}")
    first = day.timetuple().tm_yday * 1000
    for number in range(first, first + count):
        yield chance, chance.choice(parcels(seed)), number


def _address(place: Parcel, chance: Random) -> list[str]:
    text = variant(place.address, place.unit, chance) if chance.random() < 0.9 else wrong(place.address, chance)
    return [text, place.city.upper(), "FL", place.zip]
