"""A court case becomes a lead with the right property and contact, and the right events close the lead."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from random import Random
from typing import Any

import pytest

from sandbox.court_files import MAKERS
from sandbox.daily_files import with_dirt
from sandbox.world import parcels
from tests.county.court import (
    ADDRESS,
    CASE,
    FILED,
    KINDS,
    LAST_WEEK,
    NEXT_WEEK,
    WEEK,
    Court,
    Kind,
    debt,
    estate,
    eviction,
)
from tests.county.days import FOLIO, FRIDAY, OTHER_FOLIO, Pipeline, deed, subscriber
from tests.county.test_alerts import deliveries_to
from tests.servers.postgres import Database

EVICTION, DEBT, PROBATE, VERDICT = KINDS


@pytest.fixture
def court(database: Database) -> Court:
    return Court(database.connection)


@pytest.fixture(params=KINDS, ids=lambda kind: kind.lead_type)
def kind(request: pytest.FixtureRequest) -> Kind:
    made: Kind = request.param
    return made


def test_a_case_becomes_a_record_and_a_lead_of_its_property(court: Court, kind: Kind) -> None:
    court.add_property(owner_name="OWNER OLGA", assessed_value=300_000, mortgage_balance=100_000)
    court.file(kind, WEEK, kind.line())
    assert court.one(f"SELECT case_number, property_id IS NOT NULL, business_date FROM {kind.table}") == (
        CASE,
        True,
        WEEK,
    )
    columns = "lead_type, lead_source, source_reference, lead_date, contact_name, estimated_equity, lead_score, status"
    assert court.one(f"SELECT {columns} FROM leads") == (
        kind.lead_type,
        f"{kind.feed}_ftp",
        CASE,
        FILED,
        kind.contact,
        200_000,
        kind.score,
        "new",
    )
    assert court.one("SELECT distress_type, source_reference, detected_on, resolved_on FROM distressed_properties") == (
        kind.lead_type,
        CASE,
        FILED,
        None,
    )
    assert court.one("SELECT new_leads_generated, unmatched, status FROM data_ingestion_logs") == (1, 0, "success")


def test_the_records_keep_what_the_file_says(court: Court) -> None:
    court.file(PROBATE, WEEK, estate())
    assert court.one("SELECT decedent_name, petitioner_name, date_of_death, estate_value, address FROM probate_cases")[
        :2
    ] == ("DECEDENT DORA", "PETITIONER PAT")
    court.file(EVICTION, WEEK, eviction(disposition="DISMISSED"))
    assert court.one("SELECT tenant_name, property_owner, disposition FROM eviction_records") == (
        "TENANT TINA",
        "LANDLORD LARRY",
        "DISMISSED",
    )


@pytest.mark.parametrize(
    ("owner", "landlord", "contact"),
    [
        ("OWNER OLGA", "LANDLORD LARRY", "LANDLORD LARRY"),
        ("OWNER OLGA", "", "OWNER OLGA"),
        ("OWNER OLGA", "TENANT TINA", "OWNER OLGA"),
        ("OWNER OLGA", "Tina Tenant", "OWNER OLGA"),
        ("OWNER OLGA", "TENANT, TINA M", "OWNER OLGA"),
        ("TENANT TINA", "", None),
        ("TENANT TINA", "SECOND SAM", None),
        (None, "", None),
    ],
)
def test_a_tenant_never_becomes_a_contact(court: Court, owner: str | None, landlord: str, contact: str | None) -> None:
    court.add_property(owner_name=owner)
    court.file(EVICTION, WEEK, eviction(owner=landlord), eviction(owner=landlord, tenant="SECOND SAM"))
    assert court.one("SELECT count(*) FROM eviction_records") == (2,)
    assert court.leads() == [("eviction", CASE, contact, "new")]


def test_the_property_of_an_estate_is_the_decedents_and_never_the_petitioners(court: Court) -> None:
    court.add_property(OTHER_FOLIO, "9 FAR AWAY LN", zip="33601")
    court.file(PROBATE, WEEK, estate())
    assert court.leads() == []
    assert court.one("SELECT address, reason FROM unmatched_records") == (ADDRESS, "no property at this address")


@pytest.mark.parametrize(
    "line",
    [
        eviction(disposition="JUDGMENT FOR PLAINTIFF"),
        debt(disposed=FRIDAY),
        debt(disposition="DISMISSED"),
        debt(code="DFJ"),
        debt(status="CLOSED"),
    ],
)
def test_a_case_already_disposed_of_is_no_lead(court: Court, line: str) -> None:
    court.add_property()
    kind = EVICTION if "CC05" in line else DEBT
    court.file(kind, WEEK, line)
    assert court.leads() == []
    assert court.one(f"SELECT count(property_id) FROM {kind.table}") == (1,)


@pytest.mark.parametrize(
    ("kind", "change"),
    [(EVICTION, {"disposition": "DISMISSED"}), (DEBT, {"disposed": FRIDAY}), (DEBT, {"status": "CLOSED"})],
)
def test_a_case_disposed_of_later_closes_its_lead_and_recalls_its_alerts(
    court: Court, kind: Kind, change: dict[str, object]
) -> None:
    court.add_property()
    user = subscriber(court, lead_types=[kind.lead_type])
    court.file(kind, WEEK, kind.line())
    assert deliveries_to(court, user) == [("new_lead_alert", kind.lead_type, "queued")]
    court.file(kind, NEXT_WEEK, kind.line(**change))
    assert [lead[3] for lead in court.leads()] == ["closed"]
    assert deliveries_to(court, user) == [("new_lead_alert", kind.lead_type, "cancelled")]
    assert court.one("SELECT resolved_on IS NOT NULL FROM distressed_properties") == (True,)


@pytest.mark.parametrize(
    ("code", "price", "recorded", "is_lead"),
    [
        ("DEE", 450_000, FILED + timedelta(days=1), False),
        ("CTI", None, FILED + timedelta(days=1), False),
        ("QCD", 10, FILED + timedelta(days=1), True),
        ("DEE", 450_000, FILED, True),
    ],
)
def test_a_sale_that_only_the_countys_api_reported_counts_too(
    court: Court, code: str, price: int | None, recorded: date, is_lead: bool
) -> None:
    court.add_property()
    answer(court, code, price, recorded, known=WEEK)
    answer(court, "DEE", 450_000, FILED + timedelta(days=1), known=WEEK + timedelta(days=1))
    court.file(EVICTION, WEEK, EVICTION.line())
    # The run creates leads from the facts known on its business date. It then applies later facts, which may close the
    # leads.
    assert [lead[3] for lead in court.leads()] == (["closed"] if is_lead else [])


def answer(court: Court, code: str, price: int | None, recorded: date, *, known: date) -> None:
    court.connection.execute(
        "INSERT INTO api_documents (cfn_year, cfn_seq, group_id, day, answered_at, document_code, recorded_on, folio,"
        " consideration_1) SELECT 2026, count(*), 1, %s, now(), %s, %s, %s, %s FROM api_documents",
        (known, code, recorded, FOLIO, price),
    )


@pytest.mark.parametrize("sale", [deed(FRIDAY), deed(FRIDAY, code="CTI", price=None)])
def test_a_sale_after_the_leads_date_closes_it(court: Court, kind: Kind, sale: object) -> None:
    court.add_property()
    court.file(kind, WEEK, kind.line())
    Pipeline(court.connection).run(FRIDAY, [sale])  # type: ignore[list-item]
    assert court.rows("SELECT status FROM leads WHERE lead_type = %s", kind.lead_type) == [("closed",)]


def test_a_lead_is_open_again_when_the_sale_is_deleted_unless_its_case_has_ended(court: Court, kind: Kind) -> None:
    court.add_property()
    court.file(kind, WEEK, kind.line())
    daily = Pipeline(court.connection)
    sale = deed(FRIDAY)
    daily.run(FRIDAY, [sale])
    daily.run(date(2026, 11, 24), [replace(sale, action="D")])
    status = "SELECT status FROM leads WHERE lead_type = %s"
    assert court.rows(status, kind.lead_type) == [("new",)]
    daily.run(date(2026, 11, 25), [sale])
    court.file(kind, NEXT_WEEK, kind.line("2026-000999-CC-05", "9 NW 9 ST"))
    court.connection.execute("UPDATE court_records SET is_disposed = true WHERE case_number = %s", (CASE,))
    daily.run(date(2026, 11, 30), [replace(sale, action="D")])
    assert court.rows(status, kind.lead_type) == [("closed",)]


@pytest.mark.parametrize(("kind", "change"), [(EVICTION, {"disposition": "DISMISSED"}), (DEBT, {"status": "CLOSED"})])
def test_a_case_that_a_corrected_file_no_longer_disposes_of_opens_its_lead_again(
    court: Court, kind: Kind, change: dict[str, object]
) -> None:
    court.add_property()
    court.file(kind, WEEK, kind.line())
    court.file(kind, NEXT_WEEK, kind.line(**change))
    assert [lead[3] for lead in court.leads()] == ["closed"]
    court.file(kind, NEXT_WEEK, kind.line())
    assert [lead[3] for lead in court.leads()] == ["new"]


def test_a_sale_known_before_makes_no_lead_and_one_before_the_filing_ends_none(court: Court, kind: Kind) -> None:
    court.add_property()
    court.add_property(OTHER_FOLIO, "77 NE 64 TER")
    Pipeline(court.connection).run(FRIDAY, [deed(FRIDAY), deed(FILED - timedelta(days=1), folio=OTHER_FOLIO)])
    court.file(kind, WEEK, kind.line(), kind.line("2026-000102-CC-05", "77 NE 64 TER"))
    assert court.rows("SELECT source_reference, status FROM leads WHERE lead_type = %s", kind.lead_type) == [
        ("2026-000102-CC-05", "new")
    ]


def test_an_unmatched_case_is_tried_again_for_ninety_days_and_then_makes_its_lead(court: Court, kind: Kind) -> None:
    user = subscriber(court, lead_types=[kind.lead_type])
    court.file(kind, WEEK, kind.line())
    assert court.one("SELECT source_reference, address, reason FROM unmatched_records") == (
        CASE,
        ADDRESS,
        "no property at this address",
    )
    court.add_property()
    court.file(kind, WEEK + timedelta(days=91))
    assert court.leads() == []
    court.file(kind, WEEK + timedelta(days=84))
    assert [lead[:2] for lead in court.leads()] == [(kind.lead_type, CASE)]
    assert court.rows("SELECT * FROM unmatched_records") == []
    assert court.one(f"SELECT property_id IS NOT NULL FROM {kind.table}") == (True,)
    assert [row[0] for row in deliveries_to(court, user)] == ["new_lead_alert"]


def test_an_ambiguous_address_makes_no_lead(court: Court, kind: Kind) -> None:
    court.add_property(FOLIO, unit="1")
    court.add_property(OTHER_FOLIO, unit="2")
    court.file(kind, WEEK, kind.line())
    assert court.leads() == []
    assert court.one("SELECT candidates FROM unmatched_records") == ([FOLIO, OTHER_FOLIO],)


@pytest.mark.parametrize(
    ("kind", "channels", "kinds"),
    [
        (PROBATE, ["email", "sms"], ["new_lead_alert", "urgent_lead_sms"]),
        (PROBATE, ["email"], ["new_lead_alert"]),
        (EVICTION, ["email", "sms"], ["new_lead_alert"]),
        (VERDICT, ["sms"], []),
    ],
)
def test_estates_are_urgent(court: Court, kind: Kind, channels: list[str], kinds: list[str]) -> None:
    court.add_property()
    user = subscriber(court, lead_types=[kind.lead_type], channels=channels)
    court.file(kind, WEEK, kind.line())
    assert [row[0] for row in deliveries_to(court, user)] == kinds


def test_a_replay_writes_no_row_again(court: Court, kind: Kind) -> None:
    court.add_property()
    subscriber(court, lead_types=[kind.lead_type], channels=["email", "sms"])
    lines = [kind.line(), kind.line("2026-000102-CC-05", "1 NOWHERE ST")]
    court.file(kind, WEEK, *lines)
    before = court.row_versions(), court.rows("SELECT ctid, xmin FROM unmatched_records")
    court.file(kind, WEEK, *lines)
    assert (court.row_versions(), court.rows("SELECT ctid, xmin FROM unmatched_records")) == before
    assert court.rows("SELECT * FROM pending_cases") == []


def test_a_corrected_file_is_as_if_the_first_had_never_been(court: Court, kind: Kind) -> None:
    court.add_property()
    court.add_property(OTHER_FOLIO, "77 NE 64 TER")
    user = subscriber(court, lead_types=[kind.lead_type])
    gone, moved, kept = "2026-000101-CC-05", "2026-000102-CC-05", "2026-000103-CC-05"
    court.file(kind, WEEK, *[kind.line(case) for case in (gone, moved, kept)], kind.line("9", "1 NOWHERE ST"))
    court.file(kind, WEEK, kind.line(moved, "77 NE 64 TER"), kind.line(kept))
    assert court.rows(f"SELECT case_number FROM {kind.table} ORDER BY 1") == [(moved,), (kept,)]
    assert court.rows("SELECT * FROM unmatched_records") == []
    assert court.rows(
        "SELECT source_reference, folio_number, status FROM leads l JOIN properties p ON p.id = l.property_id"
        " ORDER BY 1, 2"
    ) == [
        (gone, FOLIO, "closed"),
        (moved, FOLIO, "closed"),
        (moved, OTHER_FOLIO, "new"),
        (kept, FOLIO, "new"),
    ]
    assert sorted(row[2] for row in deliveries_to(court, user)) == ["cancelled", "cancelled", "queued", "queued"]


def test_files_in_any_order_and_any_number_end_the_same(court: Court, kind: Kind) -> None:
    court.add_property()
    court.add_property(OTHER_FOLIO, "77 NE 64 TER")
    cases = [f"2026-00010{n}-CC-05" for n in range(6)]
    endings: dict[str, dict[str, Any]] = {
        "eviction": {"disposition": "DISMISSED"},
        "indebtedness": {"disposed": FRIDAY},
    }
    ended = endings.get(kind.lead_type, {})
    files = {
        LAST_WEEK: [kind.line(cases[0]), kind.line(cases[1]), kind.line(cases[2]), kind.line(cases[3], "1 NOWHERE ST")],
        WEEK: [kind.line(cases[1], **ended), kind.line(cases[2], "77 NE 64 TER"), kind.line(cases[4])],
        NEXT_WEEK: [kind.line(cases[2], "2 NOWHERE ST"), kind.line(cases[3], "77 NE 64 TER"), kind.line(cases[5])],
    }

    def outcome(order: tuple[int, ...]) -> dict[str, list[tuple[object, ...]]]:
        court.connection.execute("TRUNCATE court_records, leads, unmatched_records, deliveries CASCADE")
        days = sorted(files)
        for number in order:
            court.file(kind, days[number], *files[days[number]])
        return court.outcome()

    expected = outcome((0, 1, 2))
    assert expected["leads"]
    for order in [(2, 1, 0), (0, 2, 1), (1, 0, 2), (0, 0, 1, 2, 2, 1, 0)]:
        assert outcome(order) == expected, order


def test_weeks_in_any_order_alert_nobody_twice(court: Court, kind: Kind) -> None:
    court.add_property()
    user = subscriber(court, lead_types=[kind.lead_type])
    for day in (WEEK, NEXT_WEEK, LAST_WEEK, WEEK):
        court.file(kind, day, kind.line(), announce_on=NEXT_WEEK, notify=True)
    assert len(deliveries_to(court, user)) == 1
    assert len(court.leads()) == 1


def test_an_empty_file_is_a_success_with_a_warning(court: Court, kind: Kind) -> None:
    court.file(kind, WEEK)
    warnings, status = court.one("SELECT warnings, status FROM data_ingestion_logs")
    assert f"{kind.file} is empty" in warnings
    assert status == "success"


def test_two_feeds_of_one_date_do_not_touch_each_others_cases(court: Court) -> None:
    court.add_property()
    for kind in KINDS:
        court.file(kind, WEEK, *[k.line() for k in KINDS if k is kind])
    counts = [court.one(f"SELECT count(*) FROM {kind.table}")[0] for kind in (EVICTION, DEBT, PROBATE, VERDICT)]
    # Each feed ran twice for the same day. The second run replaced the first run's file with an empty file, so the
    # first run's cases were removed.
    assert counts == [0, 1, 0, 1]


def test_the_tables_of_a_feed_agree_in_count_with_its_file(court: Court, kind: Kind) -> None:
    """The file has the same kinds of errors as real files: malformed lines, blank lines and a duplicate."""
    with court.connection.cursor().copy("COPY properties (folio_number, address, unit, zip) FROM STDIN") as copy:
        for place in parcels(11)[::2]:
            copy.write_row((place.folio_number, place.address, place.unit or None, place.zip))
    chance = Random(5)
    lines = list(with_dirt(MAKERS[kind.file.removesuffix(".exp")](11, WEEK, 400), chance))
    court.file(kind, WEEK, *lines)
    staged = court.counts[kind.file]
    assert staged.read == staged.staged + staged.rejected == sum(bool(line.strip()) for line in lines)
    assert court.one("SELECT records_processed, records_rejected FROM data_ingestion_logs") == (
        staged.staged,
        staged.rejected,
    )
    assert court.one("SELECT count(*) FROM rejected_records WHERE feed = %s", kind.feed) == (staged.rejected,)
    table = f"staging_{kind.file.removesuffix('.exp').lower()}"
    assert court.one(f"SELECT count(*) FROM {table}") == (staged.staged,)
    records, matched = court.one(f"SELECT count(*), count(property_id) FROM {kind.table}")
    parties = {"Evictions.exp": ", tenant_name", "Probate.exp": ""}.get(kind.file, ", defendant_name")
    assert court.one(f"SELECT count(DISTINCT (case_number{parties})) FROM {table}") == (records,)
    assert 400 <= records <= staged.staged / kind.lines_of_a_record
    (unmatched,) = court.one("SELECT count(*) FROM unmatched_records")
    assert matched + unmatched == records
    assert matched > 20
    assert unmatched > 20
    assert court.one("SELECT unmatched FROM data_ingestion_logs") == (unmatched,)
