"""Generate the files for large county days, and the history before those days.

Document codes have the same frequencies as in the sandbox, and each document has two parties. The parcels are numbered
from 0. A day's documents name randomly chosen parcels from a roll of 900,000 parcels.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from random import Random

import psycopg

from sandbox import names
from sandbox.daily_files import BROKEN_LINES
from sandbox.documents import MIX

PARCELS = 900_000
UNSEEN = 0.02
"""Share of a day's folios that are not on the parcel roll yet."""

FIRST_DAY = date(2024, 11, 20)
"""The history begins on this day, two years before the measured days."""

PRICED = frozenset({"DEE", "QCD", "CTI", "PRO", "MOR"})
WITHOUT_FOLIO = {"LIS": 0.6, "DEE": 0.03, "AFF": 1.0, "NOT": 1.0, "FST": 1.0, "DCE": 1.0, "JUD": 1.0}
"""Document code → share of its documents that name no folio. Lis pendens and deeds give an address instead."""


def write_day(folder: Path, day: date, documents: int) -> dict[str, Path]:
    """Write ``Cases.exp`` and ``Parties.exp`` for ``day``; return their paths by name."""
    cases, parties = folder / f"Cases_{day}.exp", folder / f"Parties_{day}.exp"
    options = {"encoding": "cp1252", "newline": "\r\n"}
    with cases.open("w", **options) as case_file, parties.open("w", **options) as party_file:  # type: ignore[call-overload]
        for case, people in _lines(day, documents):
            case_file.write(case)
            party_file.write(people)
    return {"Cases.exp": cases, "Parties.exp": parties}


def _lines(day: date, documents: int) -> Iterator[tuple[str, str]]:
    chance = Random(f"{day} {documents}")
    random = chance.random
    codes = chance.choices([code for code, _ in MIX], [weight for _, weight in MIX], k=documents)
    people = [names.owner(chance) for _ in range(5000)]
    recorded = f"{day - timedelta(days=1):%m%d%Y}"
    first = day.timetuple().tm_yday * 10_000_000
    parcels = int(PARCELS * (1 + UNSEEN))
    for number, code in enumerate(codes, first):
        parcel = int(random() * parcels)
        folio, address = f"01{parcel:011d}", parcel_address(parcel)
        if code in WITHOUT_FOLIO and random() < WITHOUT_FOLIO[code]:
            folio = "0" * 13
            address = address if code in ("LIS", "DEE") else ""
        price = f"{int(random() * 9000) * 100:016d}.00" if code in PRICED else ""
        case_number = f"{day.year}-{number % 1_000_000:06d}-CA-01" if code in ("LIS", "CLP") else ""
        key = f"{day.year}^{number:010d}^00001"
        case = f"{key}^{code}^{case_number}^{recorded}^{folio}^{address}^MIAMI^33130^{price}^^I\n"
        if random() < BROKEN_LINES:
            case += f"{key}^{code}^BROKEN\n"
        one, other = people[int(random() * 5000)], people[int(random() * 5000)]
        yield case, f"{key}^00001^D^{one:<40}^I\n{key}^00002^R^{other:<40}^I\n"


def parcel_address(parcel: int) -> str:
    """Return the address of the parcel with the number ``parcel``."""
    return f"{100 + parcel % 9900} SW {1 + parcel // 9900} ST"


def load_history(connection: psycopg.Connection, parcels: int, documents: int) -> None:
    """Insert the given numbers of properties and of documents.

    The documents are recorded in the two years before the measured days.
    """
    with connection.transaction():
        connection.execute(
            "INSERT INTO properties"
            " (folio_number, address, city, zip, owner_name, assessed_value, data_source, address_key)"
            " SELECT '01' || lpad(n::text, 11, '0'), number || ' SW ' || street || ' ST', 'MIAMI', '33130',"
            " 'ROLL OWNER ' || n, 300000, 'parcel_roll', number || '|SW|' || street || '|ST'"
            " FROM generate_series(0, %s - 1) n, LATERAL (SELECT 100 + n %% 9900, 1 + n / 9900) a (number, street)",
            (parcels,),
        )
        connection.execute(
            "INSERT INTO document_versions (cfn_year, cfn_seq, group_id, business_date, line_number, document_code,"
            " case_number, recorded_on, folio_number, property_address, consideration_1, transaction_type, is_live)"
            " SELECT 2024, n, 1, day, n, code, CASE WHEN code IN ('LIS', 'CLP') THEN '2024-' || n || '-CA-01' END,"
            " day - 1, CASE WHEN n %% 6 > 0 THEN '01' || lpad((n * 7919 %% %s)::text, 11, '0') END, NULL,"
            " CASE WHEN code IN ('DEE', 'MOR') THEN 100 * (n %% 9000) END, 'I', true"
            " FROM generate_series(1, %s::bigint) n,"
            " LATERAL (SELECT %s::date + (n * 700 / %s)::integer,"
            " ('{DEE,MOR,SMO,LIS,NCO,AMO,QCD,LIE,REL,NOT}'::text[])[1 + (hashint8(n) & 1048575) %% 10]) d (day, code)",
            (max(parcels, 1), documents, FIRST_DAY, max(documents, 1)),
        )
        connection.execute(
            "INSERT INTO party_versions (cfn_year, cfn_seq, group_id, party_key, business_date, line_number,"
            " party_sequence, party_code, party_name, transaction_type, is_live)"
            " SELECT cfn_year, cfn_seq, group_id, p, business_date, line_number, p, (ARRAY['D', 'R'])[p],"
            " 'DOE ' || (ARRAY['JANE', 'JOHN'])[p] || ' ' || cfn_seq, 'I', true"
            " FROM document_versions, generate_series(1, 2) p ORDER BY cfn_seq, p"
        )
