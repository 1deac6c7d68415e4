"""Match 50,000 records to 1,000,000 parcels by address; print the precision, recall and speed.

The county is invented, but its addresses look like real ones: a street grid in four quadrants, cities with their own
grids, named streets (some with similar names), and a third of the parcels in condominiums. Each record is labeled with
the folio of the parcel it was made from, or with None if it must stay unmatched. The baseline parses both addresses
with ``usaddress``, applies the same abbreviations, and compares the fields.
"""

from __future__ import annotations

import csv
import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random

import psycopg
import usaddress

from bench.servers import LEADS, leads_server
from bench.tables import print_table
from county import pipeline
from local.paths import ROOT
from sandbox import spelling

PARCELS = 1_000_000
RECORDS = 50_000

GRIDS = (
    # Each row has the folio prefix, city, ZIP codes, directions, highest street number, and weight in the random
    # choice.
    ("30", "MIAMI", range(33155, 33197), ("NW", "NE", "SW", "SE"), 344, 46),
    ("01", "MIAMI", range(33125, 33146), ("NW", "NE", "SW", "SE"), 79, 26),
    ("04", "HIALEAH", range(33010, 33019), ("E", "W"), 84, 9),
    ("10", "HOMESTEAD", range(33030, 33036), ("NW", "NE", "SW", "SE"), 24, 4),
)
TOWNS = (
    ("03", "CORAL GABLES", (33134, 33146, 33156)),
    ("02", "MIAMI BEACH", (33139, 33140, 33141)),
    ("24", "KEY BISCAYNE", (33149,)),
    ("28", "AVENTURA", (33160, 33180)),
    ("35", "DORAL", (33166, 33178)),
)
# fmt: off
NAMED = (
    "ALHAMBRA CIR", "ALHAMBRA PLZ", "ALTON RD", "ANASTASIA AVE", "ARAGON AVE", "BISCAYNE BLVD", "BRICKELL AVE",
    "BRICKELL BAY DR", "BRICKELL KEY DR", "CAMPANO AVE", "CARLYLE AVE", "CATALONIA AVE", "CHASE AVE", "COLLINS AVE",
    "COUNTRY CLUB DR", "CRANDON BLVD", "DADE BLVD", "DICKENS AVE", "ESPANOLA WAY", "EUCLID AVE", "FONTAINEBLEAU BLVD",
    "GRANADA BLVD", "HARDING AVE", "HARBOR DR", "INGRAHAM HWY", "JEFFERSON AVE", "LENOX AVE", "LINCOLN RD",
    "MAJORCA AVE", "MENDOZA AVE", "MERIDIAN AVE", "MERIDIAN CT", "MICHIGAN AVE", "MINORCA AVE", "MIAMI LAKES DR",
    "N BAY RD", "N SHORE DR", "S SHORE DR", "NAVARRE AVE", "OCEAN DR", "OLD CUTLER RD", "PALERMO AVE", "PALM AVE",
    "PENNSYLVANIA AVE", "PINE TREE DR", "PONCE DE LEON BLVD", "PRAIRIE AVE", "RIVIERA DR", "ROYAL PALM AVE",
    "SANS SOUCI BLVD", "SEGOVIA ST", "SEVILLA AVE", "SHERIDAN AVE", "SUNRISE AVE", "TIGERTAIL AVE", "VALENCIA AVE",
    "VENETIAN WAY", "WASHINGTON AVE", "WEST AVE", "S BAYSHORE DR", "S DIXIE HWY", "W FLAGLER ST", "E FLAGLER ST",
)
# fmt: on
TYPES = ("ST", "ST", "ST", "AVE", "AVE", "TER", "CT", "LN", "PL", "ST RD", "AVE RD", "CT RD")


@dataclass(frozen=True)
class Place:
    """A parcel; ``unit`` is empty for a house."""

    folio: str
    address: str
    unit: str
    city: str
    zip: str


@dataclass(frozen=True)
class Record:
    """An address as a court file writes it. ``folio`` is the correct match; None means that no parcel matches."""

    kind: str
    address: str
    city: str
    zip: str
    folio: str | None


def places(count: int, chance: Random) -> Iterator[Place]:
    """Yield ``count`` parcels. No two parcels in a ZIP code have the same address and unit."""
    taken: set[tuple[str, str]] = set()
    made = 0
    prefixes = [grid for grid in GRIDS for _ in range(grid[5])]
    while made < count:
        house = chance.randrange(1, 220) * 100 + chance.randrange(1, 99)
        if chance.random() < 0.85:
            prefix, city, zips, directions, highest, _ = chance.choice(prefixes)
            number = chance.randrange(1, highest)
            street = f"{chance.choice(directions)} {number} {chance.choice(TYPES)}"
            zip_code = str(zips[number % len(zips)])
        else:
            prefix, city, codes = chance.choice(TOWNS)
            house, street = house % 9000 + 1, chance.choice(NAMED)
            zip_code = str(codes[len(street) % len(codes)])
        address = f"{house} {street}"
        if (address, zip_code) in taken:
            continue
        taken.add((address, zip_code))
        units = [""] if chance.random() < 0.97 else _units(chance)
        for unit in units[: count - made]:
            yield Place(f"{prefix}{made:011d}", address, unit, city, zip_code)
            made += 1


def _units(chance: Random) -> list[str]:
    floors, doors = chance.randrange(1, 9), chance.randrange(2, 9)
    style = chance.choice(("{f}{d:02d}", "{f}{d:02d}", "{d}{letter}", "PH{d}", "{f}-{d}", "{letter}{f}{d:02d}"))
    numbers = [(f, d) for f in range(1, floors + 1) for d in range(1, doors + 1)]
    return list(dict.fromkeys(style.format(f=f, d=d, letter="ABCDEFGHK"[f]) for f, d in numbers))


def records(everywhere: Sequence[Place], count: int, chance: Random) -> Iterator[Record]:
    """Yield ``count`` records.

    Half of the records spell a parcel's address differently; the others are hard negatives or ambiguous.
    """
    at: dict[str, list[Place]] = defaultdict(list)
    for place in everywhere:
        at[place.address].append(place)
    kinds = list(_SPELLINGS)
    for number in range(count):
        kind = kinds[number // 2 % len(kinds)]
        record = None
        while record is None:  # Not every kind of spelling applies to every address.
            place = chance.choice(everywhere)
            record = _positive(place, kind, chance) if number % 2 else _negative(place, at, chance)
            if record is not None and record.folio and _says_less(record, place, at):
                record = None
        yield record


_SPELLINGS: Mapping[str, Callable[[str, Random], str | None]] = {
    **spelling.STYLES,
    "misspelled name": spelling.with_misspelling,
    "number as a word": spelling.with_number_word,
    "direction behind": spelling.with_direction_behind,
    "city, state and ZIP in the address": lambda address, chance: address,
    "as it is": lambda address, chance: address,
    "several at once": lambda address, chance: spelling.variant(address, "", chance),
}


def _positive(place: Place, kind: str, chance: Random) -> Record | None:
    text = _SPELLINGS[kind](place.address, chance)
    if text is None:
        return None
    text += spelling.unit_text(place.unit, chance)
    if kind.startswith("city"):
        text += f", {place.city}, FL {place.zip}"
    zip_code = place.zip if chance.random() < 0.9 else ""
    city = place.city if chance.random() < 0.8 else "MIAMI"
    return Record(kind, text, city, zip_code, place.folio)


def _negative(place: Place, at: dict[str, list[Place]], chance: Random) -> Record | None:
    kind = chance.choice([*spelling.DECEPTIONS, "another unit", "no unit in a condominium", "another ZIP"])
    if kind == "another unit" and place.unit:
        return Record(kind, f"{place.address} #9{place.unit}9", place.city, place.zip, None)
    if kind == "no unit in a condominium" and place.unit:
        return Record(kind, spelling.variant(place.address, "", chance), place.city, place.zip, None)
    if kind == "another ZIP":
        return Record(kind, f"{place.address} {place.unit}".strip(), place.city, "33999", None)
    if kind not in spelling.DECEPTIONS:
        return None
    address = spelling.DECEPTIONS[kind](place.address, chance)
    if address is None or address in at or _is_alias(address):
        return None
    return Record(kind, f"{address} {place.unit}".strip(), place.city, place.zip, None)


def _is_alias(address: str) -> bool:
    """Return whether the address contains an alternative street name and so might be a real parcel's address."""
    return any(name in address for names in spelling.ALIASES.values() for name in names)


def _says_less(record: Record, place: Place, at: dict[str, list[Place]]) -> bool:
    """Return whether the record's address also fits a parcel other than the parcel in the record's label."""
    twins = [other for other in at[place.address] if other.unit == place.unit]
    if record.kind == "alias" and place.address.split(" ", 1)[1] in ("SW 24 ST",):
        return any(other.zip == place.zip for other in at.get(place.address.replace("SW 24 ST", "SW 22 ST"), ()))
    return not record.zip and len(twins) > 1


def run(scale: float) -> None:
    """Match the records in SQL and print the speed; then print the precision and recall of the SQL and of usaddress."""
    chance = Random(20261120)
    everywhere = list(places(int(PARCELS * scale), chance))
    asked = list(records(everywhere, int(RECORDS * scale), chance))
    with leads_server() as server, psycopg.connect(server.url(LEADS), autocommit=True) as connection:
        seconds = {"load the parcels (COPY, trigger computes keys)": _load(connection, everywhere)}
        started = time.perf_counter()
        answers = _match(connection, asked)
        seconds["match"] = time.perf_counter() - started
    print_table(
        f"speed: {len(asked):,} records, {len(everywhere):,} parcels", ["step", "seconds"], list(seconds.items())
    )
    _print_quality("matching", asked, answers)
    sample = asked[:10_000]
    _print_quality("baseline: usaddress, 10,000 records", sample, _by_usaddress(everywhere, sample), details=False)


def _load(connection: psycopg.Connection, everywhere: Sequence[Place]) -> float:
    started = time.perf_counter()
    statement = "COPY properties (folio_number, address, unit, city, zip) FROM STDIN"
    with connection.cursor().copy(statement) as copy:
        for place in everywhere:
            copy.write_row((place.folio, place.address, place.unit or None, place.city, place.zip))
    seconds = time.perf_counter() - started
    connection.execute("ANALYZE properties")
    return seconds


def _match(connection: psycopg.Connection, asked: Sequence[Record]) -> list[str | None]:
    with connection.transaction():
        connection.execute("SET LOCAL work_mem = '64MB'")
        connection.execute(
            "CREATE TEMP TABLE addresses_to_match (reference text, address text, unit text, city text, zip text)"
            " ON COMMIT DROP"
        )
        with connection.cursor().copy("COPY addresses_to_match FROM STDIN") as copy:
            for number, record in enumerate(asked):
                copy.write_row((str(number), record.address, None, record.city, record.zip or None))
        pipeline.run_statements(connection, "match_addresses")
        found = connection.execute("SELECT reference::int, folio FROM address_matches").fetchall()
    answers: dict[int, str | None] = dict(found)
    return [answers[number] for number in range(len(asked))]


def _print_quality(title: str, asked: Sequence[Record], answers: Sequence[str | None], *, details: bool = True) -> None:
    rows: dict[str, Counter[str]] = defaultdict(Counter)
    for record, answer in zip(asked, answers, strict=True):
        for kind in (record.kind, "all"):
            rows[kind]["records"] += 1
            rows[kind]["to find"] += record.folio is not None
            rows[kind]["found"] += answer is not None and answer == record.folio
            rows[kind]["wrong"] += answer is not None and answer != record.folio
    total = rows.pop("all")
    claimed = total["found"] + total["wrong"]
    if details:
        columns = ("records", "to find", "found", "wrong")
        table = [[kind, *(counts[column] for column in columns)] for kind, counts in sorted(rows.items())]
        print_table(title, ["kind", *columns], table)
    print_table(
        f"{title}: overall",
        ["", "percent"],
        [
            ["precision", f"{100 * total['found'] / max(claimed, 1):.3f}"],
            ["recall", f"{100 * total['found'] / max(total['to find'], 1):.3f}"],
        ],
    )
    missed = [(r, a) for r, a in zip(asked, answers, strict=True) if a != r.folio]
    for record, answer in missed[:: max(len(missed) // 5, 1)][:5] if details else ():
        print(f"  {record.kind}: {record.address!r} {record.zip} → {answer}, right: {record.folio}")


def _by_usaddress(everywhere: Sequence[Place], asked: Sequence[Record]) -> list[str | None]:
    """Match each record to the one parcel with the same usaddress fields; return each record's folio or None."""
    with (ROOT / "migrations" / "reference" / "street_words.csv").open(encoding="utf-8", newline="") as rows:
        words = {word: short for word, kind, short in csv.reader(rows)}
    by_place: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for place in everywhere:
        house, street = place.address.split(" ", 1)
        by_place[(house, street, place.unit)].append(f"{place.folio} {place.zip}")
    answers: list[str | None] = []
    for record in asked:
        found = by_place.get(_usaddress_key(record.address, words), [])
        fits = [entry.split()[0] for entry in found if record.zip in ("", entry.split()[1])]
        answers.append(fits[0] if len(fits) == 1 else None)
    return answers


def _usaddress_key(text: str, words: dict[str, str]) -> tuple[str, str, str]:
    try:
        fields, _ = usaddress.tag(text)
    except usaddress.RepeatedLabelError:
        return ("", "", "")
    plain = {name: re.sub(r"[^A-Z0-9 ]", "", value.upper()) for name, value in fields.items()}
    parts = ("StreetNamePreDirectional", "StreetName", "StreetNamePostType", "StreetNamePostDirectional")
    street = [words.get(word, word) for part in parts for word in plain.get(part, "").split()]
    street = [re.sub(r"^(\d+)(ST|ND|RD|TH)$", r"\1", word) for word in street]
    return (plain.get("AddressNumber", "").lstrip("0"), " ".join(street), plain.get("OccupancyIdentifier", "").strip())
