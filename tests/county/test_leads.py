"""Recorded documents create leads, determine each lead's contact, and close leads."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from county import pipeline
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
    reference,
    subscriber,
)
from tests.servers.postgres import Database

CASE = "2026-000777-CA-01"
TUESDAY = date(2026, 11, 17)


def test_a_priced_deed_gives_a_new_homeowner(either: Pipeline) -> None:
    bought = deed(THURSDAY, "DOE JANE", "DOE JOHN")
    either.run(FRIDAY, [bought])
    assert either.leads() == [("new_homeowner", reference(bought), "DOE JANE", "new")]
    row = either.one("SELECT lead_date, business_date, lead_score, lead_source, engagement_count FROM leads")
    assert row == (THURSDAY, FRIDAY, 85, "daily_ftp", 0)


def test_the_contact_is_the_first_grantee_who_is_a_person(either: Pipeline) -> None:
    either.run(FRIDAY, [deed(THURSDAY, "SEAGRAPE HOLDINGS LLC", "FIRST HARBOR BANK", "NUÑEZ ANA")])
    assert either.leads()[0][2] == "NUÑEZ ANA"


@pytest.mark.parametrize(
    "buyer",
    [
        "SEAGRAPE HOLDINGS LLC",
        "FIRST HARBOR BANK",
        "BISCAYNE BANK NATIONAL ASSOCIATION",
        "DOE FAMILY TRUST",
        "DOE JANE TR",
        "BAYVIEW TOWERS CONDOMINIUM ASSN INC",
        "MIAMI DADE COUNTY",
        "CITY OF MIAMI",
    ],
)
def test_no_person_no_new_homeowner(either: Pipeline, buyer: str) -> None:
    either.run(FRIDAY, [deed(THURSDAY, buyer)])
    assert either.leads() == []
    assert either.facts()["owner_name"] == buyer


PERSONS = [
    "DOE JANE",
    "O'BRIEN-SMITH MARY J",
    "NUÑEZ ANA",
    "núñez ana",
    "ST. CLAIR JOHN",
    "BANKS TYRA",
    "DOE JANE A",
    "LAWSON N O",
    "SAN A MARIA",
    "BEST OFELIA",
]
NO_PERSONS = [
    "DOE",
    "DOE & SONS",
    "1500 OCEAN DRIVE",
    "DOE JANE, TRUSTEE",
    "DOE JANE (TR)",
    "GOMEZ LUIS P.A.",
    "GOMEZ LUIS P A",
    "CITIBANK N A",
    "PALM L L C",
    "DOE JANE EST OF",
    "TOWN OF DAVIE",
    "UNITED STATES OF AMERICA",
    "HARBOR USA",
    "SEA-BANK A B",
    "CITY OF MIAMI",
    "VILLAGE OF KEY BISCAYNE",
    "STATE OF FLORIDA",
    " DOE ",
    "DOE U S A JANE",
    "EST OF DOE",
]


def test_persons_are_told_from_organisations_by_their_names(database: Database) -> None:
    found = database.connection.execute(
        "SELECT name FROM unnest(%s::text[]) AS name WHERE is_person(name) ORDER BY 1", (PERSONS + NO_PERSONS,)
    ).fetchall()
    assert [name for (name,) in found] == sorted(PERSONS)
    assert database.connection.execute("SELECT is_person(NULL), is_person('')").fetchone() == (False, False)


@pytest.mark.parametrize("code", ["QCD", "CTI", "PRO", "MOR"])
def test_only_a_deed_makes_a_new_homeowner(either: Pipeline, code: str) -> None:
    either.run(FRIDAY, [deed(THURSDAY, "DOE JANE", code=code)])
    assert either.leads() == []


def test_a_nominal_deed_makes_none(either: Pipeline) -> None:
    either.run(FRIDAY, [deed(price=10, stamp_tax="0.60")])
    assert either.leads() == []


@pytest.mark.parametrize(("days_before", "made"), [(0, 1), (30, 1), (31, 0), (-1, 0)])
def test_a_deed_counts_for_thirty_days_before_the_business_date(either: Pipeline, days_before: int, made: int) -> None:
    either.run(FRIDAY, [deed(FRIDAY - timedelta(days=days_before))])
    assert len(either.leads()) == made


def test_a_deed_that_was_conveyed_on_makes_none(either: Pipeline) -> None:
    either.run(FRIDAY, [deed(WEDNESDAY, "DOE JANE"), deed(THURSDAY, "DOE FAMILY TRUST", price=10, code="QCD")])
    assert either.leads() == []


def test_a_lead_ends_when_its_property_is_sold_on(either: Pipeline) -> None:
    first, second = deed(WEDNESDAY, "DOE JANE"), deed(THURSDAY, "ROE RON")
    either.run(THURSDAY, [first])
    either.run(FRIDAY, [second])
    assert either.leads() == [
        ("new_homeowner", reference(first), "DOE JANE", "closed"),
        ("new_homeowner", reference(second), "ROE RON", "new"),
    ]


def test_a_lead_ends_with_its_document(either: Pipeline) -> None:
    mistake = deed(WEDNESDAY)
    either.run(THURSDAY, [mistake])
    either.run(FRIDAY, [replace(mistake, action="D")])
    assert [lead[3] for lead in either.leads()] == ["closed"]


def status(pipeline: Pipeline, reference: str) -> str:
    (found,) = pipeline.one("SELECT status FROM leads WHERE source_reference = %s", reference)
    return str(found)


@pytest.mark.parametrize("before", ["new", "contacted"])
def test_a_lead_whose_document_is_back_is_open_again_and_nobody_is_notified_again(
    either: Pipeline, before: str
) -> None:
    subscriber(either)
    bought = deed(TUESDAY)
    either.run(WEDNESDAY, [bought])
    either.rows("UPDATE leads SET status = %s RETURNING id", before)
    either.run(THURSDAY, [replace(bought, action="D")])
    assert status(either, reference(bought)) == "closed"
    either.run(FRIDAY, [bought])
    assert status(either, reference(bought)) == before
    assert either.counts["make_leads"]["reopened"] == 1
    assert either.rows("SELECT state FROM deliveries") == [("cancelled",)]
    assert either.counts["write_alerts"]["alerts"] == 0
    either.run(MONDAY, [replace(bought, action="D")])
    assert status(either, reference(bought)) == "closed", "a run may close and reopen a lead any number of times"


def test_days_out_of_order_end_with_the_same_status(either: Pipeline) -> None:
    bought = deed(TUESDAY)
    days = {WEDNESDAY: bought, THURSDAY: replace(bought, action="D"), FRIDAY: bought}
    for day in (WEDNESDAY, FRIDAY, THURSDAY):
        either.run(day, [days[day]])
    assert status(either, reference(bought)) == "new"
    for day in days:
        either.run(day, [days[day]])
    assert status(either, reference(bought)) == "new"


def test_a_foreclosure_is_open_again_when_its_release_is_deleted(either: Pipeline) -> None:
    filed = lis_pendens(TUESDAY, case_number=CASE)
    release = document("CLP", WEDNESDAY, ("D", "FIRST HARBOR BANK"), case_number=CASE, folio="")
    either.run(WEDNESDAY, [filed])
    either.run(THURSDAY, [release])
    assert status(either, reference(filed)) == "closed"
    either.run(FRIDAY, [replace(release, action="D")])
    assert status(either, reference(filed)) == "new"


def test_a_lead_is_open_again_when_the_sale_that_ended_it_is_deleted(either: Pipeline) -> None:
    first, second = deed(TUESDAY, "DOE JANE"), deed(WEDNESDAY, "ROE RON")
    either.run(WEDNESDAY, [first])
    either.run(THURSDAY, [second])
    either.run(FRIDAY, [replace(second, action="D")])
    assert (status(either, reference(first)), status(either, reference(second))) == ("new", "closed")


@pytest.mark.parametrize("by_run_before", [False, True])
def test_what_a_person_closed_stays_closed(either: Pipeline, by_run_before: bool) -> None:
    bought = deed(TUESDAY)
    either.run(WEDNESDAY, [bought])
    if not by_run_before:
        either.connection.execute("UPDATE leads SET status = 'closed'")
    either.run(THURSDAY, [replace(bought, action="D")])
    if by_run_before:
        either.connection.execute("UPDATE leads SET status = 'closed'")
    either.run(FRIDAY, [bought])
    assert status(either, reference(bought)) == "closed"


def test_a_lead_that_a_person_opened_and_closed_stays_closed(either: Pipeline) -> None:
    bought = deed(TUESDAY)
    either.run(WEDNESDAY, [bought])
    either.run(THURSDAY, [replace(bought, action="D")])
    for decided in ("contacted", "closed"):
        either.connection.execute("UPDATE leads SET status = %s", (decided,))
    either.run(FRIDAY, [bought])
    assert status(either, reference(bought)) == "closed"


def test_a_lis_pendens_gives_a_foreclosure_for_the_owner(either: Pipeline) -> None:
    either.run(THURSDAY, [deed(WEDNESDAY, "SECOND SUE")])
    filed = lis_pendens()
    either.run(FRIDAY, [filed])
    lead = either.leads()[0]
    assert lead == ("foreclosure", reference(filed), "SECOND SUE", "new")
    assert either.one("SELECT lead_score FROM leads WHERE lead_type = 'foreclosure'") == (90,)


def test_without_a_known_owner_the_contact_is_the_first_party_who_is_a_person(either: Pipeline) -> None:
    either.run(FRIDAY, [lis_pendens()])
    assert either.leads()[0][2] == "OWNER OLGA"


def test_a_release_of_the_same_case_ends_it(either: Pipeline) -> None:
    either.run(THURSDAY, [lis_pendens(WEDNESDAY, case_number=CASE)])
    either.run(FRIDAY, [document("CLP", THURSDAY, ("D", "FIRST HARBOR BANK"), case_number=CASE, folio="")])
    assert [lead[3] for lead in either.leads()] == ["closed"]


def test_a_release_of_another_case_does_not(either: Pipeline) -> None:
    either.run(THURSDAY, [lis_pendens(WEDNESDAY, case_number=CASE)])
    either.run(FRIDAY, [document("CLP", THURSDAY, ("D", "BANK B"), case_number="2026-000778-CA-01")])
    assert [lead[3] for lead in either.leads()] == ["new"]


def test_in_the_clerks_file_the_original_file_number_releases(clerk: Pipeline) -> None:
    filed = lis_pendens(WEDNESDAY, case_number="")
    clerk.run(THURSDAY, [filed])
    released = document("CLP", THURSDAY, ("D", "FIRST HARBOR BANK"), original=(filed.year, filed.sequence), folio="")
    clerk.run(FRIDAY, [released])
    assert [lead[3] for lead in clerk.leads()] == ["closed"]


def test_released_before_it_was_seen_makes_none(either: Pipeline) -> None:
    release = document("CLP", THURSDAY, ("D", "FIRST HARBOR BANK"), case_number=CASE)
    either.run(FRIDAY, [lis_pendens(WEDNESDAY, case_number=CASE), release])
    assert either.leads() == []


@pytest.mark.parametrize(
    ("code", "price", "status"),
    [("DEE", 450_000, "closed"), ("CTI", None, "closed"), ("QCD", 10, "new"), ("MOR", 300_000, "new")],
)
def test_a_sale_or_certificate_of_title_ends_a_foreclosure(
    either: Pipeline, code: str, price: int | None, status: str
) -> None:
    either.run(THURSDAY, [lis_pendens(WEDNESDAY)])
    either.run(FRIDAY, [deed(THURSDAY, "SEAGRAPE HOLDINGS LLC", code=code, price=price)])
    assert [lead[3] for lead in either.leads()] == [status]


def test_a_sale_before_the_lis_pendens_does_not_end_it(either: Pipeline) -> None:
    either.run(THURSDAY, [lis_pendens(WEDNESDAY)])
    either.run(FRIDAY, [deed(date(2026, 10, 1), "SEAGRAPE HOLDINGS LLC")])
    assert [lead[3] for lead in either.leads()] == ["new"]


def test_one_paper_over_two_properties_gives_two_leads(either: Pipeline) -> None:
    bought = deed()
    either.run(FRIDAY, [bought, replace(bought, group=2, folio=OTHER_FOLIO)])
    assert len(either.leads()) == 2


def test_the_same_file_twice_gives_no_lead_twice(either: Pipeline) -> None:
    documents = [deed(), lis_pendens(folio=OTHER_FOLIO)]
    for _ in range(2):
        either.run(FRIDAY, documents)
    assert len(either.leads()) == 2
    assert either.counts["make_leads"]["leads"] == 0


def test_a_backfilled_day_makes_its_leads_and_closes_those_that_are_over(either: Pipeline) -> None:
    """Friday's release was ingested before Thursday's lis pendens, so the lead is closed and nobody is alerted."""
    subscriber(either, lead_types=["foreclosure"], channels=["email", "sms"])
    either.run(FRIDAY, [document("CLP", THURSDAY, ("D", "BANK B"), case_number=CASE)])
    either.run(THURSDAY, [lis_pendens(WEDNESDAY, case_number=CASE)], announce_on=FRIDAY)
    assert [lead[3] for lead in either.leads()] == ["closed"]
    assert either.counts["write_alerts"]["alerts"] == 0


def test_a_late_lis_pendens_names_the_owner_of_its_own_day(either: Pipeline) -> None:
    either.run(WEDNESDAY, [deed(date(2026, 11, 17), "FIRST FRAN", price=10)])
    either.run(FRIDAY, [deed(THURSDAY, "SECOND SUE", price=10)])
    either.run(THURSDAY, [lis_pendens(WEDNESDAY)])
    assert either.leads()[0][2] == "FIRST FRAN"


def test_an_owner_whom_no_document_named_is_the_contact_too(either: Pipeline) -> None:
    either.connection.execute(
        "INSERT INTO properties (folio_number, address, unit, owner_name) VALUES (%s, '1 NW 1 ST', '#2', 'ROLL ROSA')",
        (FOLIO,),
    )
    either.run(FRIDAY, [lis_pendens()])
    assert either.one("SELECT contact_name, contact_address FROM leads") == ("ROLL ROSA", "1 NW 1 ST #2")


def test_equity_is_assessed_value_less_what_is_owed(either: Pipeline) -> None:
    either.connection.execute("INSERT INTO properties (folio_number, assessed_value) VALUES (%s, 500000)", (FOLIO,))
    either.run(FRIDAY, [mortgage(WEDNESDAY, 200_000), lis_pendens(), lis_pendens(folio=OTHER_FOLIO)])
    equities = either.rows(
        "SELECT p.folio_number, l.estimated_equity::int FROM leads l JOIN properties p ON p.id = l.property_id"
        " ORDER BY 1"
    )
    assert equities == [(FOLIO, 300_000), (OTHER_FOLIO, None)]


def test_a_crash_between_merge_and_leads_loses_no_lead(either: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process crashes after the merge has committed, so the rerun's merge finds no new document."""
    bought = [deed()]

    def crash(*_: object) -> None:
        raise ConnectionError("the worker was killed")

    with monkeypatch.context() as patch, pytest.raises(ConnectionError):
        patch.setattr(pipeline, "make_leads", crash)
        either.run(FRIDAY, bought)
    assert either.leads() == []
    either.run(FRIDAY, bought)
    assert either.counts["merge"]["documents"] == 0
    assert len(either.leads()) == 1
