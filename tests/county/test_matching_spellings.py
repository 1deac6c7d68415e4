"""Different spellings of an address match the same parcel. Addresses that only look similar do not match."""

from __future__ import annotations

import psycopg
import pytest

from county import pipeline
from tests.servers.postgres import Database

PARCELS = (
    # Each row has the address, unit, city and ZIP code.
    ("1234 SW 8 ST", None, "Miami", "33135"),
    ("7001 SW 88 ST", None, "Miami", "33156"),
    ("900 NE 64 TER", None, "Miami", "33138"),
    ("12 NW 5 TER", None, "Miami", "33128"),
    ("7538 NW 2 AVE", None, "Miami", "33150"),
    ("5420 NW 2 AVE", None, "Miami", "33127"),
    ("5422 NW 2 AVE", None, "Miami", "33127"),
    ("341 NW 3 ST", "6", "Miami", "33128"),
    ("341 NW 3 ST", "7", "Miami", "33128"),
    ("123 SW 9 ST", None, "Miami", "33130"),
    ("200 SW 129 AVE RD", None, "Miami", "33184"),
    ("210 SW 129 AVE", None, "Miami", "33184"),
    ("9400 FONTAINEBLEAU BLVD", None, "Miami", "33172"),
    ("1500 MERIDIAN AVE", None, "Miami Beach", "33139"),
    ("1500 MICHIGAN AVE", None, "Miami Beach", "33139"),
    ("777 BOBOLINK DR", None, "Miami", "33015"),
    ("600 SANS SOUCI BLVD", None, "North Miami", "33181"),
    ("3800 W PALM AVE", None, "Hialeah", "33012"),
    ("1000 WEST AVE", "402", "Miami Beach", "33139"),
    ("1000 WEST AVE", "403", "Miami Beach", "33139"),
    ("1000 WEST AVE", "PH3", "Miami Beach", "33139"),
    ("1000 WEST AVE", "6-2", "Miami Beach", "33139"),
    ("1000 WEST AVE", "H503", "Miami Beach", "33139"),
    ("100 N SHORE DR", None, "Miami Beach", "33141"),
    ("200 S SHORE DR", None, "Miami Beach", "33141"),
    ("777 NW N RIVER DR", None, "Miami", "33136"),
    ("14000 S DIXIE HWY", None, "Miami", "33176"),
    ("6000 COLLINS AVE", None, "Miami Beach", "33140"),
    ("55 ALHAMBRA CIR", None, "Coral Gables", "33134"),
    ("4500 PRAIRIE AVE", None, "Miami Beach", "33140"),
    ("88 E 8 ST", None, "Hialeah", "33010"),
    ("4000 WILLIAM AVE", None, "Miami", "33133"),
    ("4100 WILLIAMS AVE", None, "Miami", "33133"),
    ("10 HARDINGS AVE", None, "Miami", "33199"),
    ("20 HARDING AVE", None, "Miami Beach", "33141"),
)


def folio(number: int) -> str:
    return f"30{number:011d}"


def found(
    connection: psycopg.Connection, records: list[tuple[str, str | None]], cities: dict[str, str] | None = None
) -> list[str | None]:
    """For each pair of address and ZIP code, return the matching parcel's address and unit, or None."""
    with connection.transaction():
        connection.execute(
            "CREATE TEMP TABLE addresses_to_match (reference text, address text, unit text, city text, zip text)"
            " ON COMMIT DROP"
        )
        for number, (address, zip_code) in enumerate(records):
            city = (cities or {}).get(address)
            values = (str(number), address, city, zip_code)
            connection.execute("INSERT INTO addresses_to_match VALUES (%s, %s, NULL, %s, %s)", values)
        pipeline.run_statements(connection, "match_addresses")
        rows = connection.execute(
            "SELECT concat_ws(' #', p.address, p.unit) FROM address_matches m"
            " LEFT JOIN properties p ON p.folio_number = m.folio ORDER BY m.reference::int"
        ).fetchall()
    return [row[0] or None for row in rows]


@pytest.fixture
def parcels(database: Database) -> psycopg.Connection:
    for number, (address, unit, city, zip_code) in enumerate(PARCELS, 1):
        database.connection.execute(
            "INSERT INTO properties (folio_number, address, unit, city, zip) VALUES (%s, %s, %s, %s, %s)",
            (folio(number), address, unit, city, zip_code),
        )
    return database.connection


SAME_PLACE = (
    ("1234 SW Eighth Street", "1234 SW 8 ST"),
    ("1234 SW 8 TH ST", "1234 SW 8 ST"),
    ("1234 S W 8TH ST", "1234 SW 8 ST"),
    ("1234 SW8 ST", "1234 SW 8 ST"),
    ("1234 8 ST SW", "1234 SW 8 ST"),
    ("1234 SW 8 STREET, MIAMI, FL 33135", "1234 SW 8 ST"),
    ("1234 SW 8 ST MIAMI FL 33135-1200", "1234 SW 8 ST"),
    ("1234 SW 8TH ST REAR", "1234 SW 8 ST"),
    ("1234 US HIGHWAY 41", "1234 SW 8 ST"),
    ("1234 TAMIAMI TRAIL", "1234 SW 8 ST"),
    ("7001 SW KENDALL DR", "7001 SW 88 ST"),
    ("7001 N KENDAL DR", "7001 SW 88 ST"),
    ("12 NW 5 TR", "12 NW 5 TER"),
    ("7538-40 NW 2ND AVE", "7538 NW 2 AVE"),
    ("7538 - 7540 NW 2 AVE", "7538 NW 2 AVE"),
    ("7538 & 7540 NW 2AVE", "7538 NW 2 AVE"),
    ("1234 SW 8ST", "1234 SW 8 ST"),
    ("341-6 NW 3 ST", "341 NW 3 ST #6"),
    ("UNIT 6, 341 NW 3 ST", "341 NW 3 ST #6"),
    ("200 SW 129TH AVENUE ROAD", "200 SW 129 AVE RD"),
    ("9400 FOUNTAINBLEAU BLVD", "9400 FONTAINEBLEAU BLVD"),
    ("1500 MERIDAIN AVE", "1500 MERIDIAN AVE"),
    ("777 BOB-O-LINK DRIVE", "777 BOBOLINK DR"),
    ("600 SAN SOUCI BLVD", "600 SANS SOUCI BLVD"),
    ("3800 PALM AVE", "3800 W PALM AVE"),
    ("1000 W AVE APT 402", "1000 WEST AVE #402"),
    ("1000 WEST AVENUE 402", "1000 WEST AVE #402"),
    ("1000 WEST AVE PENTHOUSE 3", "1000 WEST AVE #PH3"),
    ("1000 WEST AVE UNIT 06-02", "1000 WEST AVE #6-2"),
    ("1000 WEST AVE BLDG 6 APT 2", "1000 WEST AVE #6-2"),
    ("1000 WEST AVE #H0503", "1000 WEST AVE #H503"),
    ("777 NW NORTH RIVER DR", "777 NW N RIVER DR"),
    ("14000 US 1", "14000 S DIXIE HWY"),
    ("14000 S. U.S. Highway 1", "14000 S DIXIE HWY"),
    ("6000 STATE ROAD A1A", "6000 COLLINS AVE"),
    ("55 Alhambra", "55 ALHAMBRA CIR"),
    ("1234 CALLE OCHO 3H", "1234 SW 8 ST"),
    ("4500 PRARIE AVE", "4500 PRAIRIE AVE"),
)


def test_different_spellings_of_an_address_match_its_parcel(parcels: psycopg.Connection) -> None:
    answers = found(parcels, [(record, None) for record, _ in SAME_PLACE])
    assert list(zip([record for record, _ in SAME_PLACE], answers, strict=True)) == list(SAME_PLACE)


ANOTHER_PLACE = (
    "1234 SW 8 AVE RD",
    "1234 SW 8",
    "1234 8 ST",
    "12 NW 5 TRL RD",
    "123 1/2 SW 9 ST",
    "123A SW 90 ST",
    "5420-22 NW 2 AVE",  # Two parcels, 5420 and 5422, match this address.
    "341 NW 3 ST",
    "341-8 NW 3 ST",
    "200 SW 129 AVE",
    "210 SW 129 AVE RD",
    "1500 MARIDIEN AVE",  # This name is not close enough to any street's name.
    "1500 MERIDIAN CT",
    "3800 E PALM AVE",
    "3800 PALM DR",
    "1000 WEST AVE UNIT 62",
    "1000 WEST AVE",
    "200 SHORE DR",  # North Shore Drive and South Shore Drive are different streets.
    "100 S SHORE DR",
    "88 W 8 ST",
    "88 8 ST",
    "4100 WILLIAM AVE",  # William Avenue and Williams Avenue are different streets.
    "4000 WILLIAMS AVE",
    "PO BOX 1234",
    "P.O. BOX 1234 SW 8 ST",
    "HOMELESS",
    "",
)


def test_similar_addresses_of_other_places_do_not_match(parcels: psycopg.Connection) -> None:
    answers = found(parcels, [(record, None) for record in ANOTHER_PLACE])
    assert dict(zip(ANOTHER_PLACE, answers, strict=True)) == dict.fromkeys(ANOTHER_PLACE)


def test_wrong_digits_never_match(parcels: psycopg.Connection) -> None:
    slips = ["1235 SW 8 ST", "1234 SW 18 ST", "7001 SW 89 ST", "9401 FONTAINEBLEAU BLVD", "12345 SW 8 ST"]
    assert found(parcels, [(slip, None) for slip in slips]) == [None] * len(slips)


def test_the_name_of_an_existing_street_is_not_corrected(parcels: psycopg.Connection) -> None:
    records: list[tuple[str, str | None]] = [("20 HARDINGS AVE", "33141"), ("20 HARDIMG AVE", "33141")]
    assert found(parcels, records) == [None, "20 HARDING AVE"]


def test_the_city_decides_between_equal_addresses(database: Database) -> None:
    for number, (prefix, city) in enumerate((("30", "Miami"), ("04", "Hialeah"), ("03", "Miami")), 1):
        database.connection.execute(
            "INSERT INTO properties (folio_number, address, city) VALUES (%s, %s, %s)",
            (f"{prefix}{number:011d}", f"10 W {5 if prefix == '03' else 4} ST", city),
        )
    database.connection.execute(
        "INSERT INTO properties (folio_number, address, city) VALUES ('3000000000009', '10 W 5 ST', 'Miami')"
    )

    def folio_of(address: str, city: str) -> str | None:
        connection = database.connection
        with connection.transaction():
            connection.execute(
                "CREATE TEMP TABLE addresses_to_match ON COMMIT DROP AS"
                " SELECT '1' AS reference, %s AS address, NULL::text AS unit, %s AS city, NULL::text AS zip",
                (address, city),
            )
            pipeline.run_statements(connection, "match_addresses")
            row = connection.execute("SELECT folio FROM address_matches").fetchone()
        return row and row[0]

    assert folio_of("10 W 4 ST", "HIALEAH") == "0400000000002"
    assert folio_of("10 W 4 ST", "MIAMI") == "3000000000001", "addresses in Hialeah never say Miami"
    assert folio_of("10 W 4 ST", "") is None
    assert folio_of("10 W 5 ST", "MIAMI") is None, "addresses in Coral Gables may say Miami"
    assert folio_of("10 W 5 ST", "CORAL GABLES") == "0300000000003"


def test_both_branches_of_parse_address_give_the_same_key(parcels: psycopg.Connection) -> None:
    """The fast branch of parse_address accepts only the county's own format. A leading space forces the slow branch."""
    rows = parcels.execute(
        "SELECT a, (parse_address(a, u)).*, (parse_address(' ' || a, u)).*"
        " FROM (VALUES ('1234 SW 8 ST', NULL), ('1 E 10 AVE', '05'), ('77 NE 64 TER', '77'), ('5 S 1 CIR', 'PH 3'))"
        " AS v (a, u)"
    ).fetchall()
    for address, *keys in rows:
        assert keys[:3] == keys[3:], address
        assert keys[0] == address.replace(" ", "|")
