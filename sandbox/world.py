"""Generate an imaginary county with streets and parcels. The same seed always generates the same county."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from random import Random

from sandbox.names import owner

CITIES = (
    # Each row has the folio prefix, the city, and the percentage of parcels.
    ("01", "Miami", 24),
    ("02", "Miami Beach", 6),
    ("03", "Coral Gables", 5),
    ("04", "Hialeah", 9),
    ("10", "Homestead", 6),
    ("28", "Aventura", 5),
    ("30", "Miami", 33),  # Mailing addresses in the unincorporated area say "Miami".
    ("34", "Miami Gardens", 6),
    ("35", "Doral", 6),
)
NAMED_STREETS = (
    "BRICKELL BAY DR",
    "COLLINS AVE",
    "PONCE DE LEON BLVD",
    "ALHAMBRA CIR",
    "FONTAINEBLEAU BLVD",
    "MERIDIAN AVE",
    "PALM AVE",
    "SANS SOUCI BLVD",
)
PARCELS = 20_000
NOT_ON_THE_ROLL_YET = 50
"""One in 50 parcels is new: documents name it, but the roll does not contain it yet."""


@dataclass(frozen=True)
class Parcel:
    """A property on the county's roll. Each field is named after a column of ``properties``."""

    folio_number: str
    address: str
    unit: str
    city: str
    zip: str
    owner_name: str
    assessed_value: int
    property_type: str
    building_sqft: int
    lot_size_acres: float
    year_built: int
    bedrooms: int
    bathrooms: int
    has_pool: bool
    is_waterfront: bool
    data_source: str = "parcel_roll"

    @property
    def full_address(self) -> str:
        """Return the address, including the unit if the parcel has one."""
        return f"{self.address} {self.unit}".rstrip()


@cache
def parcels(seed: int, count: int = PARCELS) -> Sequence[Parcel]:
    """Return ``count`` parcels, each of which is a house or a condominium unit.

    A condominium has 4 to 40 units at one address.
    """
    chance = Random(f"parcels {seed}")
    prefixes = [city for city in CITIES for _ in range(city[2])]
    made: list[Parcel] = []
    taken: set[str] = set()
    while len(made) < count:
        prefix, city, _ = chance.choice(prefixes)
        address = _address(chance)
        if address in taken:
            continue
        taken.add(address)
        zip_code = f"33{chance.randrange(10, 90) + 100:03d}"
        units = [""] if chance.random() < 0.985 else [f"#{n}" for n in _units(chance)]
        for unit in units[: count - len(made)]:
            folio = f"{prefix}{chance.randrange(10_000, 90_000):05d}{len(made):06d}"
            made.append(_parcel(chance, folio, address, unit, city, zip_code))
    return tuple(made)


@cache
def parcels_by_folio(seed: int) -> Mapping[str, Parcel]:
    """Return the county's parcels by folio number."""
    return {parcel.folio_number: parcel for parcel in parcels(seed)}


def write_parcels(path: Path, seed: int) -> int:
    """Write the parcel roll as CSV with the columns of ``properties``; return the number of parcels on the roll."""
    rows = [parcel for number, parcel in enumerate(parcels(seed), 1) if number % NOT_ON_THE_ROLL_YET]
    names = [field.name for field in fields(Parcel)]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([getattr(row, name) for name in names] for row in rows)
    return len(rows)


LAND_USES = {
    "condominium": "RESIDENTIAL - TOTAL VALUE : CONDOMINIUM - RESIDENTIAL",
    "single_family": "RESIDENTIAL - SINGLE FAMILY : 1 UNIT",
}


# fmt: off
ROLL_COLUMNS = (
    "FOLIO", "TRUE_SITE_ADDR", "TRUE_SITE_UNIT", "TRUE_SITE_CITY", "TRUE_SITE_ZIP_CODE", "TRUE_OWNER1",
    "ASSESSED_VAL_CUR", "YEAR_BUILT", "BEDROOM_COUNT", "BATHROOM_COUNT", "BUILDING_HEATED_AREA", "LOT_SIZE",
    "DOR_DESC", "CONDO_FLAG", "PARENT_FOLIO",
)
# fmt: on


@cache
def roll_csv(seed: int, count: int = PARCELS) -> str:
    """Return the parcel roll in the county's own CSV format, with lot sizes in square feet."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(ROLL_COLUMNS)
    for number, p in enumerate(parcels(seed, count), 1):
        if number % NOT_ON_THE_ROLL_YET:
            place = (p.folio_number, p.address, p.unit.lstrip("#"), p.city, f"{p.zip}-0000", p.owner_name)
            building = (p.assessed_value, p.year_built, p.bedrooms, p.bathrooms, p.building_sqft)
            lot = round(p.lot_size_acres * 43_560)
            writer.writerow([*place, *building, lot, LAND_USES[p.property_type], "Y" if p.unit else "N", ""])
    return text.getvalue()


def _address(chance: Random) -> str:
    number = chance.randrange(100, 29_900)
    if chance.random() < 0.06:
        return f"{number % 2000 + 100} {chance.choice(NAMED_STREETS)}"
    kind = chance.choice(("ST", "ST", "AVE", "AVE", "TER", "CT", "LN", "PL"))
    street = chance.choice((8, 24, 40, 56, 72, 88, 152)) if chance.random() < 0.1 else chance.randrange(1, 220)
    direction = "SW" if street in (88, 152) else chance.choice(("NW", "NE", "SW", "SE"))
    return f"{number} {direction} {street} {kind}"


def _units(chance: Random) -> list[int]:
    floors = chance.randrange(1, 11)
    return [100 * floor + door for floor in range(1, floors + 1) for door in range(1, 5)]


def _parcel(chance: Random, folio: str, address: str, unit: str, city: str, zip_code: str) -> Parcel:
    sqft = chance.randrange(600, 1_400) if unit else chance.randrange(900, 5_000)
    return Parcel(
        folio_number=folio,
        address=address,
        unit=unit,
        city=city,
        zip=zip_code,
        owner_name=owner(chance),
        assessed_value=sqft * chance.randrange(180, 700),
        property_type="condominium" if unit else "single_family",
        building_sqft=sqft,
        lot_size_acres=0.0 if unit else round(chance.uniform(0.08, 1.2), 4),
        year_built=chance.randrange(1925, 2025),
        bedrooms=chance.randrange(1, 3 if unit else 6),
        bathrooms=chance.randrange(1, 3 if unit else 5),
        has_pool=not unit and chance.random() < 0.3,
        is_waterfront=chance.random() < 0.06,
    )
