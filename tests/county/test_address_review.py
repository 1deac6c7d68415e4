"""Operators decide about addresses that match no property, and later runs follow their decisions."""

from __future__ import annotations

import threading
from datetime import date, timedelta
from typing import Any

import psycopg
import pytest

from county import feeds, pipeline, runs
from county.address_review import retry_waiting
from county.runs import Run
from tests.county.court import CASE, KINDS, NEXT_WEEK, Court, eviction
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
    subscriber,
)
from tests.county.test_matching import file_at, unmatched
from tests.servers.postgres import Database

EVICTIONS = KINDS[0]
CONDOMINIUM = "1000 NW 7 ST"
ACCEPTED = "accepted by an operator: the next run matches it"
REJECTED = "rejected by an operator"


@pytest.fixture
def court(database: Database) -> Court:
    return Court(database.connection)


def add_condominium(county: Pipeline) -> None:
    for folio, unit in ((FOLIO, "402"), (OTHER_FOLIO, "403")):
        add_property(county, folio, CONDOMINIUM, unit)


def add_property(county: Pipeline, folio: str, address: str, unit: str | None = None, **columns: Any) -> None:
    values = {"folio_number": folio, "address": address, "unit": unit, "city": "Miami", "zip": "33130"} | columns
    names = ", ".join(values)
    county.connection.execute(
        f"INSERT INTO properties ({names}) VALUES ({', '.join(['%s'] * len(values))})", list(values.values())
    )


def record_at(county: Pipeline, number: int = 0) -> int:
    return int(county.rows("SELECT id FROM unmatched_records ORDER BY id")[number][0])


def accept(county: Pipeline, folio: str, record: int | None = None) -> Any:
    return call(county, "accept_address(%s, %s, 'olga', 'owner named in the file')", record or record_at(county), folio)


def reject(county: Pipeline, record: int | None = None) -> Any:
    return call(county, "reject_address(%s, 'olga', 'not in the county')", record or record_at(county))


def undo(county: Pipeline, decision: int) -> Any:
    return call(county, "undo_address_decision(%s, 'otto', 'wrong unit')", decision)


def add_alias(county: Pipeline, street: str) -> Any:
    return call(county, "add_street_alias(%s, %s, 'olga', 'renamed in 2025')", record_at(county), street)


def call(county: Pipeline, function: str, *arguments: Any) -> Any:
    (answer,) = county.one(f"SELECT {function}", *arguments)
    return answer


def review(county: Pipeline, day: date, feed_name: str = "daily", **options: Any) -> dict[str, dict[str, int]]:
    """Run the steps of the DAG address_review for one feed; return the counts of each step."""
    run = runs.open_run(county.connection, feeds.ADDRESS_REVIEW, "review", day)
    counts = retry_waiting(county.connection, run, feed_name, today=day, max_age_days=3, **options)
    runs.close_run(county.connection, run.ingestion_id)
    return counts


def lead_folios(county: Pipeline, status: str = "new") -> list[str]:
    query = "SELECT p.folio_number FROM leads l JOIN properties p ON p.id = l.property_id WHERE status = %s ORDER BY 1"
    return [folio for (folio,) in county.rows(query, status)]


def last_action(county: Pipeline) -> tuple[Any, ...]:
    query = "SELECT actor, action, object_type, reason, state, finished_at IS NOT NULL FROM operator_actions"
    return county.rows(f"{query} ORDER BY id DESC LIMIT 1")[0]


def test_the_next_run_makes_the_lead_of_an_accepted_address(county: Pipeline) -> None:
    add_condominium(county)
    filed = file_at(CONDOMINIUM)
    county.run(THURSDAY, [filed])
    accept(county, OTHER_FOLIO)
    assert [reason for reason, _ in unmatched(county)] == [ACCEPTED]
    assert last_action(county) == ("olga", "accept", "unmatched_record", "owner named in the file", "done", True)
    county.run(FRIDAY, [])
    assert (lead_folios(county), unmatched(county)) == ([OTHER_FOLIO], [])


@pytest.mark.parametrize("written", [CONDOMINIUM, "1000 n.w. 7th Street", "1000 NW 7TH ST, MIAMI, FL"])
def test_a_decision_holds_for_other_documents_with_the_address(county: Pipeline, written: str) -> None:
    add_condominium(county)
    county.run(THURSDAY, [file_at(CONDOMINIUM, "33130")])
    accept(county, OTHER_FOLIO)
    county.run(FRIDAY, [file_at(written, "33130")])
    assert lead_folios(county) == [OTHER_FOLIO, OTHER_FOLIO]


@pytest.mark.parametrize("written", ["1000 NW 7 ST #402", "1000 NW 7 ST #999", "1002 NW 7 ST", "1000-1002 NW 7 ST"])
def test_a_decision_holds_for_no_other_address(county: Pipeline, written: str) -> None:
    add_condominium(county)
    county.run(THURSDAY, [file_at(CONDOMINIUM, "33130")])
    accept(county, OTHER_FOLIO)
    county.run(FRIDAY, [file_at(written, "33130")])
    assert lead_folios(county).count(OTHER_FOLIO) == 1


def test_a_decision_without_zip_code_holds_only_for_the_same_city(county: Pipeline) -> None:
    add_condominium(county)
    county.run(THURSDAY, [file_at(CONDOMINIUM)])
    accept(county, OTHER_FOLIO)
    county.connection.execute("UPDATE unmatched_records SET city = 'Hialeah'")
    county.run(FRIDAY, [])
    assert lead_folios(county) == []


def test_a_decision_holds_for_another_feed(court: Court) -> None:
    add_condominium(court)
    court.run(THURSDAY, [file_at(CONDOMINIUM, "33130")])
    accept(court, OTHER_FOLIO)
    court.file(EVICTIONS, MONDAY, eviction(address="1000 NW 7TH ST", zip="33130"))
    assert court.rows("SELECT lead_type FROM leads") == [("eviction",)]
    assert lead_folios(court) == [OTHER_FOLIO]


def test_a_decision_wins_over_an_exact_match(county: Pipeline) -> None:
    county.run(THURSDAY, [file_at("1234 SW 8 ST")])
    add_property(county, OTHER_FOLIO, "1232 SW 8 ST")
    accept(county, OTHER_FOLIO)
    add_property(county, FOLIO, "1234 SW 8 ST")
    county.run(FRIDAY, [])
    assert lead_folios(county) == [OTHER_FOLIO]


def test_an_accepted_folio_that_is_gone_decides_nothing(county: Pipeline) -> None:
    county.run(THURSDAY, [file_at("1234 SW 8 ST")])
    add_property(county, OTHER_FOLIO, "1232 SW 8 ST")
    accept(county, OTHER_FOLIO)
    county.connection.execute("DELETE FROM properties")
    add_property(county, FOLIO, "1234 SW 8 ST")
    county.run(FRIDAY, [])
    assert lead_folios(county) == [FOLIO]


def test_a_rejected_address_is_never_matched_or_offered_again(county: Pipeline) -> None:
    county.run(WEDNESDAY, [file_at("1234 SW 8 ST", "33130")])
    assert len(county.rows("SELECT FROM records_to_review")) == 1
    reject(county)
    assert county.rows("SELECT FROM records_to_review") == []
    add_property(county, FOLIO, "1234 SW 8 ST")
    county.run(THURSDAY, [file_at("1234 SW 8TH STREET", "33130")])
    assert lead_folios(county) == []
    assert [reason for reason, _ in unmatched(county)] == [REJECTED, REJECTED]
    assert county.rows("SELECT FROM records_to_review") == []


def test_after_a_rejection_is_undone_the_address_is_matched(county: Pipeline) -> None:
    add_property(county, FOLIO, "1234 SW 8 ST")
    county.run(WEDNESDAY, [file_at("1234 SW 9 ST")])
    county.connection.execute("UPDATE unmatched_records SET address = '1234 SW 8 ST'")
    decision = reject(county)
    county.run(THURSDAY, [])
    undo(county, decision)
    assert len(county.rows("SELECT FROM records_to_review")) == 1
    county.connection.execute("UPDATE document_versions SET property_address = '1234 SW 8 ST'")
    county.run(FRIDAY, [])
    assert lead_folios(county) == [FOLIO]


HOSTILE = (
    "<script>alert(1)</script>",
    "'; DROP TABLE properties; --",
    "PO BOX 123 %s %(day)s \\ ^ | {}",
    "Улица Ленина 1",
    "LOT 5 BLK 3 raw:1234|SW|8|ST",
    "1" * 300,
)


@pytest.mark.parametrize("address", HOSTILE)
def test_a_decision_holds_for_an_address_that_is_not_understood(county: Pipeline, address: str) -> None:
    add_property(county, FOLIO, "1234 SW 8 ST")
    insert_waiting(county, address)
    accept(county, FOLIO)
    match_addresses(county, [address, f"{address}2", "1234 SW 9 ST"])
    assert county.rows("SELECT folio FROM address_matches ORDER BY reference") == [(FOLIO,), (None,), (None,)]


@pytest.mark.parametrize("address", [None, "???", "", "1" * 301])
def test_an_address_without_key_is_not_decided(county: Pipeline, address: str | None) -> None:
    add_property(county, FOLIO, "1234 SW 8 ST")
    insert_waiting(county, address)
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="no address"):
        accept(county, FOLIO)


def insert_waiting(county: Pipeline, address: str | None, zip_code: str | None = "33130") -> None:
    county.connection.execute(
        "INSERT INTO unmatched_records (feed, business_date, source_reference, address, zip)"
        " VALUES ('daily', %s, '2026-1-1', %s, %s)",
        (FRIDAY, address, zip_code),
    )


def match_addresses(county: Pipeline, addresses: list[str]) -> None:
    """Create address_matches for the addresses; the references are 1, 2, …"""
    county.connection.execute("BEGIN")
    county.connection.execute(
        "CREATE TEMP TABLE addresses_to_match ON COMMIT DROP AS SELECT n::text AS reference, a AS address,"
        " NULL::text AS unit, NULL::text AS city, '33130' AS zip FROM unnest(%s::text[]) WITH ORDINALITY AS t (a, n)",
        (addresses,),
    )
    pipeline.run_statements(county.connection, "match_addresses")


@pytest.mark.parametrize(
    ("function", "error"),
    [
        ("accept_address(%(record)s, '0000000000000', 'olga', 'a reason')", "no property has the folio"),
        ("accept_address(%(record)s, NULL, 'olga', 'a reason')", "no property has the folio"),
        ("accept_address(%(record)s, %(folio)s, 'olga', ' ')", "give a reason"),
        ("accept_address(%(record)s, %(folio)s, '', 'a reason')", "name of the person"),
        ("reject_address(%(record)s + 1, 'olga', 'a reason')", "there is no unmatched record"),
        ("undo_address_decision(1, 'olga', 'a reason')", "there is no decision 1"),
    ],
)
def test_a_wrong_call_changes_nothing(county: Pipeline, function: str, error: str) -> None:
    add_property(county, FOLIO, "1232 SW 8 ST")
    county.run(THURSDAY, [file_at("1234 SW 8 ST")])
    before = unmatched(county)
    with pytest.raises(psycopg.Error, match=error):
        county.connection.execute(f"SELECT {function}", {"record": record_at(county), "folio": FOLIO})
    assert unmatched(county) == before
    assert county.rows("SELECT FROM address_decisions UNION ALL SELECT FROM operator_actions") == []


def test_the_second_of_two_operators_learns_who_decided(county: Pipeline, database: Database) -> None:
    add_condominium(county)
    county.run(THURSDAY, [file_at(CONDOMINIUM)])
    record, errors = record_at(county), []

    def decide_too() -> None:
        with psycopg.connect(database.url, autocommit=True) as other:
            try:
                other.execute("SELECT accept_address(%s, %s, 'otto', 'my guess')", (record, FOLIO))
            except psycopg.Error as error:
                errors.append(error)

    with county.connection.transaction():
        accept(county, OTHER_FOLIO, record)
        second = threading.Thread(target=decide_too)
        second.start()
        second.join(0.3)
        assert second.is_alive(), "the second operator waits for the first"
    second.join(5)
    assert isinstance(errors[0], psycopg.errors.ObjectNotInPrerequisiteState)
    assert "already accepted by olga" in str(errors[0])
    assert county.rows("SELECT folio_number FROM address_decisions") == [(OTHER_FOLIO,)]


def test_undoing_takes_the_document_from_the_property_and_closes_its_lead(county: Pipeline) -> None:
    user = subscriber(county)
    add_condominium(county)
    county.connection.execute("UPDATE properties SET owner_name = 'OLD OWNER', data_source = 'property_roll'")
    county.run(WEDNESDAY, [deed(date(2026, 11, 17), "FORMER FRED", folio=OTHER_FOLIO)])
    sold = deed(WEDNESDAY, "DOE JANE", folio="", address=CONDOMINIUM)
    county.run(THURSDAY, [sold])
    before = county.facts(OTHER_FOLIO)
    decision = accept(county, OTHER_FOLIO)
    county.run(FRIDAY, [], announce_on=FRIDAY)
    assert county.facts(OTHER_FOLIO)["owner_name"] == "DOE JANE"
    assert undo(county, decision) == 1
    assert last_action(county)[:4] == ("otto", "undo", "address_decision", "wrong unit")
    county.run(MONDAY, [])
    assert county.facts(OTHER_FOLIO) == before
    assert ("new_homeowner", reference(sold), "DOE JANE", "closed") in county.leads()
    states = county.rows(
        "SELECT d.state FROM deliveries d JOIN leads l ON l.id = d.lead_id"
        " WHERE d.subscriber_id = %s AND l.source_reference = %s",
        user,
        reference(sold),
    )
    assert states == [("cancelled",)]
    assert [reason for reason, _ in unmatched(county)] == ["ambiguous: several properties at this address"]


def test_after_undoing_another_property_can_be_accepted(county: Pipeline) -> None:
    add_condominium(county)
    county.run(WEDNESDAY, [file_at(CONDOMINIUM)])
    decision = accept(county, OTHER_FOLIO)
    county.run(THURSDAY, [])
    undo(county, decision)
    accept(county, FOLIO)
    county.run(FRIDAY, [])
    assert (lead_folios(county), lead_folios(county, "closed")) == ([FOLIO], [OTHER_FOLIO])
    assert unmatched(county) == []


def test_undoing_leaves_the_lead_alone_if_the_usual_rules_find_the_same_property(county: Pipeline) -> None:
    subscriber(county)
    add_condominium(county)
    county.run(WEDNESDAY, [file_at(CONDOMINIUM)])
    decision = accept(county, OTHER_FOLIO)
    county.run(THURSDAY, [])
    undo(county, decision)
    county.connection.execute("DELETE FROM properties WHERE folio_number = %s", (FOLIO,))
    county.connection.execute("UPDATE properties SET unit = NULL")
    county.run(FRIDAY, [])
    assert lead_folios(county) == [OTHER_FOLIO]
    assert county.rows("SELECT state FROM deliveries") == [("queued",)]


def test_a_released_record_is_tried_once_more_whatever_its_age(county: Pipeline) -> None:
    add_condominium(county)
    county.run(WEDNESDAY, [file_at(CONDOMINIUM)])
    decision = accept(county, OTHER_FOLIO)
    county.run(THURSDAY, [])
    undo(county, decision)
    accept(county, FOLIO)
    county.run(FRIDAY + timedelta(days=100), [])
    assert county.rows("SELECT matched_folio FROM document_versions") == [(FOLIO,)]


def test_undoing_takes_the_case_from_the_property_and_closes_its_lead(court: Court) -> None:
    add_condominium(court)
    court.file(EVICTIONS, MONDAY, eviction(address=CONDOMINIUM))
    decision = accept(court, FOLIO)
    review(court, MONDAY, "weekly")
    assert lead_folios(court) == [FOLIO]
    assert undo(court, decision) == 1
    court.file(EVICTIONS, NEXT_WEEK, eviction(address=CONDOMINIUM))
    assert lead_folios(court, "closed") == [FOLIO]
    assert court.rows("SELECT DISTINCT property_id FROM court_records") == [(None,)]
    assert court.rows("SELECT source_reference FROM unmatched_records") == [(CASE,)]


def test_a_decision_that_is_undone_between_match_and_merge_is_not_followed(county: Pipeline) -> None:
    add_condominium(county)
    county.run(WEDNESDAY, [file_at(CONDOMINIUM)])
    decision = accept(county, OTHER_FOLIO)
    run = Run(feeds.feed("daily"), county.stage_documents(THURSDAY, [file_at(CONDOMINIUM)]), THURSDAY)
    pipeline.match(county.connection, run)
    undo(county, decision)
    pipeline.merge(county.connection, run)
    assert county.rows("SELECT matched_folio FROM document_versions") == [(None,), (None,)]
    assert len(unmatched(county)) == 2


def test_undoing_waits_for_no_merge(county: Pipeline, database: Database) -> None:
    add_condominium(county)
    county.run(WEDNESDAY, [file_at(CONDOMINIUM)])
    decision = accept(county, OTHER_FOLIO)
    with psycopg.connect(database.url) as merging:
        merging.execute("SELECT pg_advisory_xact_lock(hashtext('leads:merge'))")
        with pytest.raises(psycopg.errors.LockNotAvailable, match="right now"):
            undo(county, decision)
    undo(county, decision)


def test_an_alias_matches_the_street_for_all_records(county: Pipeline) -> None:
    add_property(county, FOLIO, "1234 SW 8 ST")
    county.run(WEDNESDAY, [file_at("1234 CELIA CRUZ WAY")])
    assert add_alias(county, "sw 8th street") == "|CELIA CRUZ|WAY"
    assert last_action(county)[:3] == ("olga", "add_alias", "unmatched_record")
    county.run(THURSDAY, [file_at("1234 Celia Cruz Way")])
    assert lead_folios(county) == [FOLIO, FOLIO]
    assert county.rows("SELECT street, is_reference FROM street_aliases WHERE alias = '|CELIA CRUZ|WAY'") == [
        ("SW|8|ST", False)
    ]
    assert call(county, "undo_street_alias('|CELIA CRUZ|WAY', 'SW|8|ST', 'otto', 'wrong')") == 2
    county.run(FRIDAY, [])
    assert (lead_folios(county), lead_folios(county, "closed")) == ([], [FOLIO, FOLIO])


@pytest.mark.parametrize(
    ("written", "street", "refusal"),
    [
        ("1234 SW 9 ST", "SW 8 ST", "never another numbered street"),
        ("1234 SW 8 TER", "SW 8 ST", "never another numbered street"),
        ("1234 8 ST", "SW 8 ST", "never another numbered street"),
        ("1234 CALLE 9", "SW 8 ST", "different numbers"),
        ("1234 CELIA CRUZ WAY", "SW 88 ST", "no property is on the street SW 88 ST"),
        ("1234 CELIA CRUZ WAY", "'; DROP TABLE x; --", "no property is on the street"),
        ("1234 CELIA CRUZ WAY", "%|%|%", "write the roll's street"),
        ("1234 CELIA CRUZ WAY", "", "write the roll's street"),
        ("99 GRANADA BLVD", "SW 8 ST", "is itself a street of the roll"),
        ("1234 CALLE OCHO", "SW 8 ST", "exists already"),
        ("UNKNOWN", "SW 8 ST", "not understood"),
    ],
)
def test_an_alias_that_could_lead_to_a_wrong_match_is_refused(
    county: Pipeline, written: str, street: str, refusal: str
) -> None:
    add_property(county, FOLIO, "1232 SW 8 ST")
    add_property(county, OTHER_FOLIO, "1 GRANADA BLVD")
    insert_waiting(county, written)
    aliases = county.one("SELECT count(*) FROM street_aliases")
    with pytest.raises(psycopg.errors.InvalidParameterValue, match=refusal):
        add_alias(county, street)
    assert county.one("SELECT count(*) FROM street_aliases") == aliases


def test_an_alias_of_the_reference_is_not_undone(county: Pipeline) -> None:
    with pytest.raises(psycopg.errors.NoDataFound):
        call(county, "undo_street_alias('|CALLE OCHO|', 'SW|8|ST', 'otto', 'wrong')")


@pytest.mark.parametrize("announced", [True, False])
def test_the_review_run_makes_and_announces_only_its_own_leads(county: Pipeline, announced: bool) -> None:
    subscriber(county)
    add_condominium(county)
    silent = lis_pendens(folio="3049190099999")
    county.run(FRIDAY, [file_at(CONDOMINIUM), silent], notify=False)
    documents = county.state()["documents"]
    accept(county, OTHER_FOLIO)
    county.connection.execute("INSERT INTO pending_folios VALUES (%s, '3049190099999')", (FRIDAY,))
    counts = review(county, FRIDAY, notify=None if announced else False)
    assert counts["match"] == {"matched": 1, "unmatched": 0}
    assert county.rows("SELECT DISTINCT business_date, lead_source FROM leads") == [(FRIDAY, "daily_ftp")]
    assert county.rows("SELECT lead_id IS NOT NULL FROM deliveries") == [(True,)] * announced
    assert county.rows("SELECT folio FROM pending_folios") == [("3049190099999",)], "left for the run that wrote it"
    assert county.state()["documents"] == documents, "the day's documents stay"
    review(county, FRIDAY)
    assert county.one("SELECT count(*) FROM leads") == (2,)
    assert county.one("SELECT count(*) FROM deliveries") == (int(announced),)
    types = county.rows("SELECT ingestion_type, status, records_processed > 0 FROM data_ingestion_logs ORDER BY id")
    assert types == [("daily_ftp", "success", True), ("address_review", "success", False)]


def test_a_review_run_without_decisions_rewrites_no_row(court: Court) -> None:
    add_condominium(court)
    court.run(FRIDAY, [deed(THURSDAY), file_at(CONDOMINIUM)])
    court.file(EVICTIONS, FRIDAY, eviction(address=CONDOMINIUM))
    before = court.row_versions()
    for feed_name in ("daily", "weekly", "monthly"):
        review(court, FRIDAY, feed_name)
    assert court.row_versions() == before


def test_the_steps_of_a_review_run_are_recorded(county: Pipeline) -> None:
    review(county, FRIDAY)
    steps = county.rows("SELECT step, ended_at >= started_at FROM ingestion_steps ORDER BY started_at")
    assert steps == [(f"{step} daily", True) for step in ("match", "merge", "make_leads", "write_alerts")]


@pytest.mark.parametrize(
    ("record", "parcels", "expected"),
    [
        (CONDOMINIUM, [(CONDOMINIUM, "4B", "33130")], ["has unit 4B, the record names none"]),
        (f"{CONDOMINIUM} #5", [(CONDOMINIUM, "4B", "33130")], ["has unit 4B, the record says 5"]),
        (CONDOMINIUM, [(CONDOMINIUM, None, "33125")], ["ZIP code 33125, the record says 33130"]),
        ("7538 SW 8 ST", [("7540 SW 8 ST", None, "33130")], ["house number 7540, the record says 7538"]),
        (
            "10 PALM AVE",
            [("10 BALM AVE", None, "33130"), ("10 PALM CT", None, "33130")],
            ["street type CT, the record says AVE", "street name differs by one letter: BALM, the record says PALM"],
        ),
        ("10 SW 8 ST", [("10 NW 8 ST", None, "33130")], ["direction NW, the record says SW"]),
        ("10 SW 8 ST", [("10 SW 8 ST", None, "33130")] * 3, ["fits, but so do 2 others"] * 3),
        ("LOT 5 <b>", [("10 SW 8 ST", None, "33130")], []),
    ],
)
def test_each_candidate_says_what_speaks_against_it(
    county: Pipeline, record: str, parcels: list[tuple[str, str | None, str]], expected: list[str]
) -> None:
    for number, (address, unit, zip_code) in enumerate(parcels):
        add_property(county, f"01{number:011d}", address, unit, zip=zip_code, owner_name="OWNER OLGA")
    county.run(FRIDAY, [file_at(record, "33130")])
    rows = county.rows("SELECT why_not, owner_name FROM review_candidates(%s)", record_at(county))
    assert [why for why, _ in rows] == expected
    assert {owner for _, owner in rows} <= {"OWNER OLGA"}


def test_at_most_twenty_candidates_are_offered(county: Pipeline) -> None:
    for number in range(30):
        add_property(county, f"01{number:011d}", f"{1000 + number} SW 8 ST")
    insert_waiting(county, "1015 SW 8 ST #9")
    assert len(county.rows("SELECT FROM review_candidates(%s)", record_at(county))) == 20


def test_a_decision_that_another_program_writes_is_followed(county: Pipeline) -> None:
    add_condominium(county)
    county.connection.execute(
        "INSERT INTO address_decisions (address_key, unit_key, zip, decision, folio_number, decided_by)"
        " SELECT address_key, unit_key, '33130', 'accepted', %s, 'script' FROM parse_address(%s, NULL)",
        (FOLIO, CONDOMINIUM),
    )
    county.run(FRIDAY, [file_at(CONDOMINIUM, "33130")])
    assert unmatched(county) == []
    assert county.rows("SELECT matched_folio FROM document_versions") == [(FOLIO,)]
