"""Documents determine a property's owner, last sale and mortgage balance."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from decimal import Decimal

import psycopg
import pytest

from sandbox.daily_files import official_records_lines
from sandbox.documents import Party
from tests.county.days import (
    FOLIO,
    FRIDAY,
    MONDAY,
    OTHER_FOLIO,
    THURSDAY,
    WEDNESDAY,
    Pipeline,
    deed,
    document,
    lis_pendens,
    mortgage,
)
from tests.servers.postgres import Database


def test_a_deed_makes_the_grantees_owners_in_party_order(either: Pipeline) -> None:
    either.run(FRIDAY, [deed(THURSDAY, "DOE JANE", "DOE JOHN", price=450_000)])
    assert either.facts() == {
        "owner_name": "DOE JANE; DOE JOHN",
        "last_sale_date": THURSDAY,
        "last_sale_price": Decimal("450000.00"),
        "last_transaction_type": "deed",
        "last_document_code": "DEE",
        "mortgage_balance": None,
    }


def test_without_consideration_the_price_comes_from_the_stamp_tax(either: Pipeline) -> None:
    either.run(FRIDAY, [deed(price=None, stamp_tax="2700.00")])
    assert either.facts()["last_sale_price"] == Decimal("450000.00")


@pytest.mark.parametrize(("price", "tax"), [(10, "0.60"), (100, ""), (None, "0.60"), (None, "")])
def test_a_nominal_deed_changes_the_owner_and_not_the_sale(either: Pipeline, price: int | None, tax: str) -> None:
    either.run(THURSDAY, [deed(WEDNESDAY, "FIRST FRAN", price=200_000)])
    either.run(FRIDAY, [deed(THURSDAY, "SECOND SUE", price=price, stamp_tax=tax)])
    facts = either.facts()
    assert facts["owner_name"] == "SECOND SUE"
    assert (facts["last_sale_date"], facts["last_sale_price"]) == (WEDNESDAY, Decimal("200000.00"))


@pytest.mark.parametrize("code", ["DEE", "WD", "QCD", "CTI", "PRO"])
def test_every_conveyance_gives_owner_and_sale(county: Pipeline, code: str) -> None:
    county.run(FRIDAY, [deed(THURSDAY, "BUYER BEA", code=code)])
    assert county.facts()["owner_name"] == "BUYER BEA"
    assert county.facts()["last_sale_price"] == Decimal("450000.00")


def test_a_mortgage_is_never_a_sale(either: Pipeline) -> None:
    either.run(THURSDAY, [deed(WEDNESDAY, "DOE JANE", price=450_000)])
    either.run(FRIDAY, [mortgage(THURSDAY, 300_000)])
    facts = either.facts()
    assert (facts["owner_name"], facts["last_sale_price"]) == ("DOE JANE", Decimal("450000.00"))
    assert facts["mortgage_balance"] == Decimal("300000.00")
    assert facts["last_transaction_type"] == "mortgage"


@pytest.mark.parametrize("amount", [300_000, 0])
@pytest.mark.parametrize("release", ["SAT", "SMO"])
def test_a_released_mortgage_leaves_no_balance(either: Pipeline, release: str, amount: int) -> None:
    either.run(THURSDAY, [mortgage(WEDNESDAY, amount)])
    either.run(FRIDAY, [document(release, THURSDAY, ("D", "FIRST HARBOR BANK"), ("R", "DOE JANE"))])
    assert either.facts()["mortgage_balance"] == 0


def test_after_a_conveyance_the_balance_of_an_older_mortgage_is_unknown(either: Pipeline) -> None:
    either.run(THURSDAY, [mortgage(WEDNESDAY)])
    either.run(FRIDAY, [deed(THURSDAY)])
    assert either.facts()["mortgage_balance"] is None


def test_an_older_deed_that_arrives_later_changes_nothing(either: Pipeline) -> None:
    either.run(THURSDAY, [deed(WEDNESDAY, "NEWER NED", price=300_000)])
    before = either.facts()
    either.run(FRIDAY, [deed(date(2026, 3, 2), "OLDER OLA", price=900_000)])
    assert either.facts() == before


def test_of_two_deeds_on_one_day_the_higher_file_number_wins(either: Pipeline) -> None:
    first, second = deed(THURSDAY, "FIRST FRAN"), deed(THURSDAY, "SECOND SUE")
    either.run(FRIDAY, [second, first])
    assert either.facts()["owner_name"] == "SECOND SUE"


def test_without_any_grantee_the_owner_stays(county: Pipeline) -> None:
    county.run(THURSDAY, [deed(WEDNESDAY, "DOE JANE")])
    county.run(FRIDAY, [document("QCD", THURSDAY, ("D", "DOE JANE"))])
    assert county.facts()["owner_name"] == "DOE JANE"


def test_deleting_a_deed_brings_the_one_before_back(either: Pipeline) -> None:
    either.run(WEDNESDAY, [deed(date(2026, 11, 17), "FIRST FRAN", price=200_000)])
    before = either.facts()
    mistake = deed(WEDNESDAY, "SECOND SUE", price=900_000)
    either.run(THURSDAY, [mistake])
    assert either.facts() != before
    either.run(FRIDAY, [replace(mistake, action="D")])
    assert either.facts() == before


def test_deleting_the_only_deed_keeps_the_property_without_its_facts(either: Pipeline) -> None:
    mistake = deed(WEDNESDAY, "SECOND SUE", price=900_000)
    either.run(THURSDAY, [mistake])
    either.run(FRIDAY, [replace(mistake, action="D")])
    assert set(either.facts().values()) == {None}


def test_deleting_a_document_keeps_facts_from_other_sources(either: Pipeline) -> None:
    either.connection.execute(
        "INSERT INTO properties (folio_number, address, owner_name) VALUES (%s, '1 NW 1 ST', 'ROLL ROSA')", (FOLIO,)
    )
    mistake = mortgage(WEDNESDAY)
    either.run(THURSDAY, [mistake])
    either.run(FRIDAY, [replace(mistake, action="D")])
    assert either.one("SELECT address, owner_name FROM properties") == ("1 NW 1 ST", "ROLL ROSA")


def test_an_update_replaces_what_the_insert_said(either: Pipeline) -> None:
    wrong = deed(WEDNESDAY, "DOE JANE", price=45_000)
    either.run(THURSDAY, [wrong])
    either.run(FRIDAY, [replace(wrong, consideration="450000.00", action="U")])
    assert either.facts()["last_sale_price"] == Decimal("450000.00")


def test_a_file_that_corrects_nothing_but_a_party_changes_the_owner(either: Pipeline) -> None:
    wrong = deed(THURSDAY, "WRONG WANDA")
    either.run(FRIDAY, [wrong])
    either.run(FRIDAY, [replace(wrong, parties=(Party("D", "SELLER SAM"), Party("R", "RIGHT RITA")))])
    assert either.facts()["owner_name"] == "RIGHT RITA"


def test_a_later_version_of_a_document_counts_even_without_parties(county: Pipeline) -> None:
    wrong = deed(WEDNESDAY, "DOE JANE", price=45_000)
    county.run(THURSDAY, [wrong])
    county.run(FRIDAY, [replace(wrong, consideration="450000.00", action="U", parties=())])
    assert county.facts()["last_sale_price"] == Decimal("450000.00")
    assert county.rows("SELECT consideration_1::int FROM recorded_documents") == [(450_000,)]


def test_a_corrected_folio_moves_the_sale_to_the_other_property(either: Pipeline) -> None:
    wrong = deed(WEDNESDAY, "DOE JANE")
    either.run(THURSDAY, [wrong])
    either.run(FRIDAY, [replace(wrong, folio=OTHER_FOLIO, action="U")])
    assert either.facts(FOLIO)["owner_name"] is None
    assert either.facts(OTHER_FOLIO)["owner_name"] == "DOE JANE"


def test_a_deleted_party_is_no_owner(county: Pipeline) -> None:
    bought = deed(WEDNESDAY, "DOE JANE", "DOE JOHN")
    county.run(THURSDAY, [bought])
    gone = f"{bought.year}^{bought.sequence}^1^3^R^DOE JOHN^D".encode()
    county.finish(county.stage(FRIDAY, {"Cases.exp": b"", "Parties.exp": gone}), FRIDAY)
    assert county.facts()["owner_name"] == "DOE JANE"


def test_in_the_clerks_file_a_document_lives_while_one_row_of_it_lives(clerk: Pipeline) -> None:
    bought = deed(WEDNESDAY, "DOE JANE", "DOE JOHN")
    clerk.run(THURSDAY, [bought])
    rows = list(official_records_lines([replace(bought, action="D")]))
    clerk.finish(clerk.stage(FRIDAY, {"official_records.exp": rows[2].encode()}), FRIDAY)
    assert clerk.facts()["owner_name"] == "DOE JANE"
    clerk.finish(clerk.stage(MONDAY, {"official_records.exp": "\n".join(rows[:2]).encode()}), MONDAY)
    assert clerk.facts()["owner_name"] is None
    assert clerk.rows("SELECT FROM recorded_documents") == []


def test_in_the_clerks_file_a_row_may_be_inserted_and_deleted_on_one_day(clerk: Pipeline) -> None:
    bought = deed(WEDNESDAY, "DOE JANE")
    rows = [*official_records_lines([bought]), *official_records_lines([replace(bought, action="D")])]
    clerk.finish(clerk.stage(THURSDAY, {"official_records.exp": "\n".join(rows).encode()}), THURSDAY)
    assert clerk.rows("SELECT FROM recorded_documents") == []


def test_one_document_for_several_properties_and_several_parties(either: Pipeline) -> None:
    first = deed(THURSDAY, "DOE JANE", "DOE JOHN", "BIG TRUST LLC")
    either.run(FRIDAY, [first, replace(first, group=2, folio=OTHER_FOLIO)])
    for folio in (FOLIO, OTHER_FOLIO):
        assert either.facts(folio)["owner_name"] == "DOE JANE; DOE JOHN; BIG TRUST LLC"


@pytest.mark.parametrize("folio", ["", "0000000000000", "000000000000000", "00-0000-000-0000"])
def test_folio_zero_is_not_a_property(either: Pipeline, folio: str) -> None:
    either.run(FRIDAY, [deed(folio=folio), lis_pendens(folio=folio)])
    assert either.rows("SELECT FROM properties") == []
    assert either.leads() == []


@pytest.mark.parametrize("folio", ["0131230450670", "000131230450670", "01-3123-045-0670", "131230450670"])
def test_all_formats_of_a_folio_are_one_property(county: Pipeline, folio: str) -> None:
    county.run(FRIDAY, [deed(folio=folio)])
    assert county.one("SELECT folio_number FROM properties") == ("0131230450670",)


def test_an_unknown_document_code_is_kept_and_means_nothing(either: Pipeline) -> None:
    either.run(FRIDAY, [deed(THURSDAY, "DOE JANE"), document("ZZZ", THURSDAY, ("D", "X Y"), ("R", "Z W"))])
    assert either.facts()["last_transaction_type"] == "deed"
    assert either.one("SELECT count(*) FROM recorded_documents WHERE document_code = 'ZZZ'") == (1,)
    assert either.counts["merge"]["created"] == 1


def test_the_newest_fact_dates_the_property(either: Pipeline) -> None:
    either.run(FRIDAY, [deed()])
    (updated,) = either.one("SELECT (last_updated AT TIME ZONE 'America/New_York')::date FROM properties")
    assert updated == FRIDAY


def test_the_facts_of_each_folio_are_derived_once_a_day(county: Pipeline) -> None:
    more_than_a_batch = range(1, 5_002)
    deeds = [deed(THURSDAY, f"BUYER {number}", folio=f"01{number:011d}") for number in more_than_a_batch]
    county.run(FRIDAY, deeds)
    assert (county.counts["merge"]["created"], county.counts["merge"]["updated"]) == (5_001, 0)
    owners = county.rows("SELECT folio_number, owner_name FROM properties ORDER BY folio_number")
    assert owners == [(made.folio, made.parties[1].name) for made in deeds]
    county.run(MONDAY, [deed(FRIDAY, "LATER LEA", folio=made.folio) for made in deeds])
    assert (county.counts["merge"]["created"], county.counts["merge"]["updated"]) == (0, 5_001)


def test_a_property_that_another_session_inserts_at_the_same_time_is_updated(
    county: Pipeline, database: Database
) -> None:
    with psycopg.connect(database.url) as other:
        other.execute("INSERT INTO properties (folio_number, assessed_value) VALUES (%s, 300000)", (FOLIO,))
        with ThreadPoolExecutor(1) as merging:
            run = merging.submit(county.run, FRIDAY, [deed(THURSDAY, "DOE JANE"), deed(THURSDAY, folio=OTHER_FOLIO)])
            while database.waiting_sessions() != 1 and not run.done():
                time.sleep(0.01)
            other.commit()
            run.result(30)
    assert (county.counts["merge"]["created"], county.counts["merge"]["updated"]) == (1, 1)
    assert county.facts()["owner_name"] == "DOE JANE"
    assert county.one("SELECT assessed_value FROM properties WHERE folio_number = %s", FOLIO) == (300_000,)


def test_a_street_that_is_parsed_once_gives_each_address_its_own_key(county: Pipeline) -> None:
    streets = [
        "SW 8 ST", "SW 8TH ST", "NW 7TH ST APT 5", "BISCAYNE BLVD", "OCEAN DR 1", "OCEAN DR 200", "OCEAN DR #200",
        "US HIGHWAY 1", "A1A", "N W 7 ST", "ALTON RD MIAMI BEACH FL 33139", "FL", "St Marys Ave", "8 ST",
        "SW 8 ST 987654321", "S.W. 22 AVE RD", "CALLE OCHO 3H", "O'DONNELL ST", "UNIT 5", "W", "EIGHTH ST", "SW  8 ST",
        "1/2 SW 8 ST", "& 3 SW 8 ST",
    ]  # fmt: skip
    houses = ["1", "200", "987654321", "0200", "200-202", "200A", "1234567890", ""]
    addresses = [f"{house} {street}" for street in streets for house in houses]
    county.run(FRIDAY, [deed(folio=f"30499{n:08}", address=address) for n, address in enumerate(addresses)])
    written = county.rows("SELECT p.address, p.address_key, p.unit_key FROM properties p ORDER BY p.address")
    parsed = county.rows(
        "SELECT p.address, k.address_key, k.unit_key FROM properties p"
        " CROSS JOIN LATERAL parse_address(p.address, NULL) k ORDER BY p.address"
    )
    assert len(written) == len(addresses)
    assert written == parsed
    assert len({key for _, key, _ in written}) > 30
