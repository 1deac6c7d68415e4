"""Records without a folio are matched to properties by address. If a match is uncertain, the record stays unmatched."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from county import feeds, pipeline
from county.runs import Run
from sandbox.documents import Document
from sandbox.world import Parcel
from tests.county.days import (
    FOLIO,
    FRIDAY,
    MONDAY,
    OTHER_FOLIO,
    THURSDAY,
    WEDNESDAY,
    Pipeline,
    deed,
    lis_pendens,
    reference,
)


def add_property(
    pipeline: Pipeline, folio: str, address: str, unit: str | None = None, zip_code: str = "33130"
) -> None:
    pipeline.connection.execute(
        "INSERT INTO properties (folio_number, address, unit, city, zip) VALUES (%s, %s, %s, 'Miami', %s)",
        (folio, address, unit, zip_code),
    )


def file_at(address: str, zip_code: str = "") -> Document:
    place = Parcel("", "", "", "", zip_code, "", 0, "", 0, 0, 0, 0, 0, False, False) if zip_code else None
    return lis_pendens(folio="", address=address, parcel=place)


def unmatched(pipeline: Pipeline) -> list[tuple[str, list[str]]]:
    return pipeline.rows("SELECT reason, candidates FROM unmatched_records ORDER BY source_reference")


@pytest.mark.parametrize(
    ("known", "recorded"),
    [
        ("1234 SW 8 ST", "1234 SW 8TH STREET"),
        ("1234 SW 8 ST", "1234 S.W. 8 St."),
        ("1234 SW 8 ST", "1234 southwest 8th st"),
        ("1234 SW 8 ST", "1234 CALLE OCHO"),
        ("7001 SW 88 ST", "7001 N KENDALL DR"),
        ("7001 SW 88 ST", "7001 KENDALL DRIVE"),
        ("400 NW 183 ST", "400 MIAMI GARDENS DR"),
        ("900 NE 64 TER", "900 NE 64 TERR"),
        ("900 NE 64 TER", "900 NE 64TH TERRACE"),
        ("55 ALHAMBRA CIR", "55 Alhambra Circle"),
        ("777 PONCE DE LEON BLVD", "777 Ponce de León Boulevard"),
        ("245 NE 1 AVE", "245 NORTHEAST 1ST AVENUE"),
        ("12 NW 22 CT", "0012 NW 22ND COURT"),
    ],
)
def test_other_spellings_of_an_address_are_the_same_place(county: Pipeline, known: str, recorded: str) -> None:
    add_property(county, FOLIO, known)
    county.run(FRIDAY, [file_at(recorded)])
    assert county.counts["match"] == {"matched": 1, "unmatched": 0}
    assert county.one("SELECT p.folio_number FROM leads l JOIN properties p ON p.id = l.property_id") == (FOLIO,)


@pytest.mark.parametrize("written", ["1234 SW 8 ST", "1234 S.W. 8th Street"])
def test_a_property_that_a_document_added_is_found_by_its_address(county: Pipeline, written: str) -> None:
    county.run(THURSDAY, [deed(WEDNESDAY, address=written)])
    county.run(FRIDAY, [file_at("1234 SW 8TH ST")])
    assert county.counts["match"] == {"matched": 1, "unmatched": 0}


@pytest.mark.parametrize(
    "recorded",
    [
        "1234 SW 8 TER",
        "1234 SW 8 AVE",
        "1234 NW 8 ST",
        "1235 SW 8 ST",
        "1234 SW 18 ST",
        "1234 SW 8 LN",
        "1234 8 ST",
        "UNKNOWN ADDRESS",
    ],
)
def test_house_number_direction_street_and_type_must_be_equal(county: Pipeline, recorded: str) -> None:
    add_property(county, FOLIO, "1234 SW 8 ST")
    county.run(FRIDAY, [file_at(recorded)])
    assert county.counts["match"] == {"matched": 0, "unmatched": 1}
    assert county.leads() == []


def test_another_zip_is_another_place(county: Pipeline) -> None:
    add_property(county, FOLIO, "1234 SW 8 ST", zip_code="33130-1200")
    county.run(FRIDAY, [file_at("1234 SW 8 ST", "33185")])
    assert county.leads() == []
    county.run(MONDAY, [file_at("1234 SW 8 ST", "33130")])
    assert len(county.leads()) == 1


@pytest.mark.parametrize("recorded", ["1000 NW 7 ST #402", "1000 NW 7TH ST APT 402", "1000 NW 7 ST, Unit 402"])
def test_the_unit_decides_in_a_condominium(county: Pipeline, recorded: str) -> None:
    add_property(county, FOLIO, "1000 NW 7 ST", "402")
    add_property(county, OTHER_FOLIO, "1000 NW 7 ST", "403")
    county.run(FRIDAY, [file_at(recorded)])
    assert county.one("SELECT p.folio_number FROM leads l JOIN properties p ON p.id = l.property_id") == (FOLIO,)


@pytest.mark.parametrize("recorded", ["1000 NW 7 ST", "1000 NW 7 ST #999"])
def test_several_folios_at_an_address_are_ambiguous(county: Pipeline, recorded: str) -> None:
    add_property(county, FOLIO, "1000 NW 7 ST", "402")
    add_property(county, OTHER_FOLIO, "1000 NW 7 ST", "403")
    county.run(FRIDAY, [file_at(recorded)])
    assert county.leads() == []
    ((reason, candidates),) = unmatched(county)
    assert "ambiguous" in reason or "unit" in reason
    assert candidates == [FOLIO, OTHER_FOLIO]


def test_an_alias_of_two_streets_matches_only_with_a_direction(county: Pipeline) -> None:
    """Both NW 183 Street and NE 183 Street are also called Miami Gardens Drive."""
    add_property(county, FOLIO, "400 NW 183 ST")
    add_property(county, OTHER_FOLIO, "400 NE 183 ST")
    county.run(FRIDAY, [file_at("400 MIAMI GARDENS DR"), file_at("400 NE MIAMI GARDENS DR")])
    assert county.counts["match"] == {"matched": 1, "unmatched": 1}
    assert county.one("SELECT p.folio_number FROM leads l JOIN properties p ON p.id = l.property_id") == (OTHER_FOLIO,)


def test_an_unmatched_record_is_tried_again_for_ninety_days(county: Pipeline) -> None:
    filed = file_at("1234 SW 8 ST")
    county.run(FRIDAY, [filed])
    assert unmatched(county) == [("no property at this address", [])]
    assert county.one("SELECT unmatched FROM data_ingestion_logs") == (1,)
    add_property(county, FOLIO, "1234 SW 8 ST")
    county.run(MONDAY, [])
    assert [lead[:2] for lead in county.leads()] == [("foreclosure", reference(filed))]
    assert unmatched(county) == []


def test_after_ninety_days_an_unmatched_record_is_not_tried_again(county: Pipeline) -> None:
    county.run(FRIDAY, [file_at("1234 SW 8 ST")])
    add_property(county, FOLIO, "1234 SW 8 ST")
    county.run(FRIDAY + timedelta(days=91), [])
    assert county.leads() == []
    county.run(FRIDAY + timedelta(days=90), [])
    assert len(county.leads()) == 1


def test_a_match_stays_when_the_file_is_replayed_after_properties_changed(county: Pipeline) -> None:
    add_property(county, FOLIO, "1234 SW 8 ST")
    filed = file_at("1234 SW 8 ST")
    county.run(FRIDAY, [filed])
    add_property(county, OTHER_FOLIO, "1234 SW 8 ST")
    county.run(FRIDAY, [filed])
    assert unmatched(county) == []
    assert len(county.leads()) == 1


def test_a_record_that_gets_its_folio_later_is_no_longer_unmatched(county: Pipeline) -> None:
    filed = file_at("1234 SW 8 ST")
    county.run(THURSDAY, [filed])
    county.run(FRIDAY, [replace(filed, folio=OTHER_FOLIO, action="U")])
    assert unmatched(county) == []
    assert len(county.leads()) == 1


def test_a_run_that_died_before_its_merge_leaves_nothing_unmatched_behind(county: Pipeline) -> None:
    filed = file_at("1234 SW 8 ST")
    pipeline.match(county.connection, Run(feeds.feed("daily"), county.stage_documents(FRIDAY, [filed]), FRIDAY))
    assert unmatched(county) != []
    county.run(FRIDAY, [replace(filed, folio=OTHER_FOLIO)])
    assert unmatched(county) == []


def test_a_deed_without_folio_sells_the_property_at_its_address(county: Pipeline) -> None:
    add_property(county, FOLIO, "1234 SW 8 ST")
    county.run(FRIDAY, [deed(THURSDAY, "DOE JANE", folio="", address="1234 SW 8TH ST")])
    assert county.facts()["owner_name"] == "DOE JANE"


def test_a_match_applies_only_to_versions_with_the_same_address(county: Pipeline) -> None:
    first = file_at("1234 SW 8 ST")
    add_property(county, FOLIO, "1234 SW 8 ST")
    county.run(WEDNESDAY, [first])
    county.run(THURSDAY, [replace(first, action="U", address="77 NW 22 CT")])
    add_property(county, OTHER_FOLIO, "77 NW 22 CT")
    county.run(FRIDAY, [])
    folios = county.rows("SELECT business_date, matched_folio FROM document_versions ORDER BY business_date")
    assert folios == [(WEDNESDAY, FOLIO), (THURSDAY, OTHER_FOLIO)]
