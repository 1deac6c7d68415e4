"""Generate the documents that the county publishes for a business date: insertions, updates and deletions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from random import Random

from leads.business_days import previous_business_day
from sandbox import names
from sandbox.spelling import variant, wrong
from sandbox.world import Parcel, parcels

#: Document codes, and the percentage of a real day's documents that have each code.
MIX = (
    ("DEE", 14.0),
    ("QCD", 4.0),
    ("CTI", 0.5),
    ("PRO", 0.5),
    ("MOR", 17.0),
    ("SMO", 10.0),
    ("SAT", 4.0),
    ("AMO", 5.0),
    ("LIS", 4.0),
    ("CLP", 1.0),
    ("NCO", 12.0),
    ("LIE", 6.0),
    ("JUD", 5.0),
    ("REL", 4.0),
    ("AFF", 5.0),
    ("NOT", 4.0),
    ("DCE", 1.5),
    ("FST", 2.0),
    ("XTR", 0.5),  # The reference data does not contain this code.
)
CONVEYANCES = {"DEE", "QCD", "CTI", "PRO"}
RELEASES = {"SMO": "MOR", "SAT": "MOR", "CLP": "LIS"}
WITHOUT_PROPERTY = {"AFF", "NOT", "FST", "DCE", "JUD"}
CHANGED_LATER = 0.01
"""Fraction of a day's documents that are updated on the next business day; half as many are deleted."""


@dataclass(frozen=True)
class Party:
    """A party to a document; ``code`` is D (direct) or R (reverse)."""

    code: str
    name: str


@dataclass(frozen=True)
class Document:
    """A recorded document, or the part of a document that concerns one property. ``action`` is I, U or D.

    Amounts are decimal strings.
    """

    year: int
    sequence: int
    group: int
    code: str
    recorded: date
    parties: tuple[Party, ...]
    parcel: Parcel | None = None
    folio: str = ""
    address: str = ""
    case_number: str = ""
    consideration: str = ""
    stamp_tax: str = ""
    original: tuple[int, int] | None = None
    action: str = "I"


def documents_of(seed: int, day: date, count: int) -> list[Document]:
    """Return the documents for the business date ``day`` as ``count`` items, one for each document and property."""
    chance = Random(f"day {seed} {day}")
    before = _inserted(seed, previous_business_day(day), count)
    changes = list(_changes(before, chance))
    new = [_refer(document, before, chance) for document in _inserted(seed, day, count)]
    return new[: max(count - len(changes), 0)] + changes


@lru_cache(maxsize=4)
def _inserted(seed: int, day: date, count: int) -> Sequence[Document]:
    chance = Random(f"documents {seed} {day}")
    recorded = previous_business_day(day)
    places = parcels(seed)
    codes = [code for code, _ in MIX]
    weights = [weight for _, weight in MIX]
    made: list[Document] = []
    first = recorded.timetuple().tm_yday * 200_000
    for sequence, code in enumerate(chance.choices(codes, weights, k=count), first):
        document = _document(code, recorded, sequence, chance.choice(places), chance)
        made.append(document)
        if document.folio and chance.random() < 0.01:  # The document concerns several properties.
            others = chance.sample(places, chance.randrange(1, 5))
            made += [
                replace(document, group=group, parcel=place, folio=place.folio_number, address=place.full_address)
                for group, place in enumerate(others, 2)
            ]
    return made[:count]


def _document(code: str, recorded: date, sequence: int, parcel: Parcel, chance: Random) -> Document:
    made = Document(recorded.year, sequence, 1, code, recorded, (), parcel, parcel.folio_number, parcel.full_address)
    if code in CONVEYANCES:
        return _conveyance(made, parcel, chance)
    if code == "MOR":
        amount = f"{chance.randrange(60, 900) * 1000}.00"
        lender = chance.choice(names.BANKS)
        return replace(made, parties=(Party("D", parcel.owner_name), Party("R", lender)), consideration=amount)
    if code in ("LIS", "CLP"):
        return _lis_pendens(made, parcel, chance)
    parties = (Party("D", names.owner(chance)), Party("R", names.owner(chance)))
    if code in WITHOUT_PROPERTY or chance.random() < 0.2:
        made = replace(made, parcel=None, folio="", address="")
    return replace(made, parties=parties)


def _conveyance(made: Document, parcel: Parcel, chance: Random) -> Document:
    buyers = [names.owner(chance)]
    while chance.random() < 0.35:
        buyers.append(names.person(chance))
    if chance.random() < 0.01:
        buyers = []
    parties = (Party("D", parcel.owner_name), *(Party("R", name) for name in buyers))
    price = chance.randrange(900, 30_000) * 100 if chance.random() < (0.85 if made.code == "DEE" else 0.2) else 10
    tax = max(price * 0.006, 0.6)
    draw = chance.random()
    consideration = f"{price}.00" if draw < 0.7 else ""
    stamp_tax = f"{tax:.2f}" if draw > 0.2 else ""
    folio, address = made.folio, made.address
    if chance.random() < 0.03:
        folio, address = "", variant(parcel.address, parcel.unit, chance)
    return replace(
        made, parties=parties, consideration=consideration, stamp_tax=stamp_tax, folio=folio, address=address
    )


def _lis_pendens(made: Document, parcel: Parcel, chance: Random) -> Document:
    plaintiff = chance.choice((names.BANKS, names.BANKS, names.ASSOCIATIONS, names.GOVERNMENTS))
    parties = [Party("D", chance.choice(plaintiff)), Party("R", parcel.owner_name), Party("R", "UNKNOWN TENANT 1")]
    if chance.random() < 0.3:
        parties[0], parties[1] = Party("D", parties[1].name), Party("R", parties[0].name)
    folio, address = made.folio, made.address
    if chance.random() < 0.6:
        folio = ""
        draw = chance.random()
        if draw < 0.7:
            address = variant(parcel.address, parcel.unit, chance)
        elif draw < 0.8:
            address = parcel.address  # Without its unit, a condominium's address is ambiguous.
        else:
            address = wrong(parcel.address, chance) if draw < 0.95 else ""
    case_number = f"{made.year}-{made.sequence % 1_000_000:06d}-CA-01"
    return replace(made, parties=tuple(parties), folio=folio, address=address, case_number=case_number)


def _refer(document: Document, before: Sequence[Document], chance: Random) -> Document:
    """Make a release refer to a document from the previous day.

    The release gets that document's property, parties, case number and file number. Return any other document
    unchanged.
    """
    wanted = RELEASES.get(document.code)
    if wanted is None:
        return document
    for earlier in chance.sample(before, min(60, len(before))):
        if earlier.code == wanted:
            return replace(
                document,
                parcel=earlier.parcel,
                folio=earlier.folio,
                address=earlier.address,
                case_number=earlier.case_number,
                parties=earlier.parties,
                original=(earlier.year, earlier.sequence),
            )
    return document


def _changes(before: Sequence[Document], chance: Random) -> Iterator[Document]:
    for document in before:
        draw = chance.random()
        if draw < CHANGED_LATER:
            price = document.consideration and f"{float(document.consideration) + 1000:.2f}"
            yield replace(document, action="U", consideration=price)
        elif draw < 1.5 * CHANGED_LATER:
            yield replace(document, action="D")
