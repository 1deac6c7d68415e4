"""Operators review the addresses that match no property, and later runs follow their decisions."""

from __future__ import annotations

import re
from typing import Any

import pytest

from county import feeds, runs
from county.address_review import retry_waiting
from operations.pages import unmatched
from tests.county.days import FOLIO, FRIDAY, OTHER_FOLIO, Pipeline
from tests.county.test_address_review import CONDOMINIUM, add_condominium, add_property
from tests.county.test_matching import file_at
from tests.operations.pages.conftest import Pages

REASON = {"reason": "the deed names the unit"}


@pytest.fixture
def county(pages: Pages) -> Pipeline:
    county = Pipeline(pages.rows.database.connection)
    add_condominium(county)
    return county


@pytest.fixture
def record(pages: Pages, county: Pipeline) -> int:
    """Ingest a lis pendens whose address belongs to two units; return the unmatched record's id."""
    county.run(FRIDAY, [file_at(CONDOMINIUM, "33130")])
    return int(pages.rows.one("SELECT id FROM unmatched_records"))


def page(pages: Pages, path: str) -> str:
    answer = pages.viewer.get(path)
    assert answer.status_code == 200, answer.text
    return re.sub(r"\s+", " ", answer.text)


def wait(pages: Pages, **values: Any) -> int:
    """Insert an unmatched record; return its id."""
    number = pages.rows.one("SELECT count(*) FROM unmatched_records")
    defaults = {
        "feed": "daily",
        "business_date": FRIDAY,
        "source_reference": f"2026-{number}-1",
        "address": "99 NOWHERE LN",
        "reason": "no property at this address",
    }
    return pages.rows.insert("unmatched_records", **defaults | values)


def review_run(county: Pipeline) -> None:
    """Do what the DAG address_review does for the daily feed."""
    run = runs.open_run(county.connection, feeds.ADDRESS_REVIEW, "review", FRIDAY)
    retry_waiting(county.connection, run, "daily", today=FRIDAY, max_age_days=3)


def test_the_candidates_stand_beside_the_address_with_a_why_not(pages: Pages, record: int) -> None:
    shown = page(pages, f"unmatched/{record}")
    assert CONDOMINIUM in shown
    for folio, unit in ((FOLIO, "402"), (OTHER_FOLIO, "403")):
        assert re.search(rf"<td>{unit}</td>.*?{folio}</td> <td>has unit {unit}, the record names none", shown)


def test_an_accepted_parcel_gets_its_lead_from_the_next_run(pages: Pages, county: Pipeline, record: int) -> None:
    answer = pages.op.post(f"unmatched/{record}/accept", data={**REASON, "folio": FOLIO})
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (204, "/operations/unmatched?")
    decided = pages.rows.one("SELECT decision, folio_number, decided_by, reason FROM address_decisions")
    assert decided == ("accepted", FOLIO, "op", REASON["reason"])
    assert pages.rows.one("SELECT actor, action, object_ids FROM operator_actions") == ("op", "accept", [record])
    assert "No record waits" in page(pages, "unmatched")

    review_run(county)

    assert pages.rows.one("SELECT p.folio_number FROM leads l JOIN properties p ON p.id = l.property_id") == FOLIO


def test_a_rejected_address_is_not_offered_again(pages: Pages, county: Pipeline, record: int) -> None:
    assert pages.op.post(f"unmatched/{record}/reject", data=REASON).status_code == 204
    review_run(county)
    assert pages.rows.one("SELECT count(*) FROM leads") == 0
    assert "No record waits" in page(pages, "unmatched")


def test_an_alias_matches_the_street_as_it_is_written(pages: Pages, county: Pipeline) -> None:
    add_property(county, "0131230459999", "99 SW 8 ST")
    record = wait(pages, address="99 CALLE DEL SOL", zip="33130", city="Miami")
    answer = pages.op.post(f"unmatched/{record}/alias", data={**REASON, "street": "SW 8 ST"})
    assert answer.status_code == 204, answer.text
    assert pages.rows.one("SELECT street, is_reference FROM street_aliases WHERE NOT is_reference") == (
        "SW|8|ST",
        False,
    )
    shown = page(pages, "unmatched/decisions")
    assert "SW 8 ST" in shown and REASON["reason"] in shown

    refused = pages.op.post(f"unmatched/{record}/alias", data={**REASON, "street": "SW 999 ST"})
    assert refused.status_code == 422 and "No property is on the street" in refused.text


def test_a_decision_is_undone_with_a_reason(pages: Pages, record: int) -> None:
    pages.op.post(f"unmatched/{record}/accept", data={**REASON, "folio": FOLIO})
    decision = pages.rows.one("SELECT id FROM address_decisions")
    assert f"unmatched/undo?decision={decision}" in pages.op.get("unmatched/decisions").text
    assert f"undo?decision={decision}" not in pages.viewer.get("unmatched/decisions").text
    assert pages.op.post("unmatched/undo", data={"decision": decision, "reason": ""}).status_code == 422
    assert pages.op.post("unmatched/undo", data={"decision": decision, **REASON}).status_code == 204
    assert pages.rows.one("SELECT count(*) FROM address_decisions") == 0
    assert CONDOMINIUM in page(pages, "unmatched")
    again = pages.op.post("unmatched/undo", data={"decision": decision, **REASON})
    assert again.status_code == 404 and "somebody has undone it" in again.text


def test_the_second_operator_learns_who_was_faster(pages: Pages, record: int) -> None:
    pages.op.post(f"unmatched/{record}/accept", data={**REASON, "folio": FOLIO})
    answer = pages.admin.post(f"unmatched/{record}/reject", data=REASON)
    assert answer.status_code == 409
    assert "This address was already accepted by op. Undo that decision first." in answer.text
    assert pages.rows.one("SELECT count(*) FROM operator_actions") == 1


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({**REASON, "folio": "9999999999999"}, 422),
        ({**REASON, "folio": ""}, 422),
        ({**REASON, "folio": "<script>\0"}, 422),
        ({"folio": FOLIO}, 422),
        ({"folio": FOLIO, "reason": " "}, 422),
        ({"folio": FOLIO, "reason": "x" * 501}, 422),
    ],
)
def test_a_wrong_decision_changes_nothing(pages: Pages, record: int, fields: dict[str, str], status: int) -> None:
    assert pages.op.post(f"unmatched/{record}/accept", data=fields).status_code == status
    assert pages.rows.one("SELECT count(*) FROM address_decisions") == 0
    assert pages.rows.one("SELECT count(*) FROM operator_actions") == 0


def test_viewers_only_look(pages: Pages, record: int) -> None:
    for choice in ("accept", "reject", "alias"):
        assert pages.viewer.post(f"unmatched/{record}/{choice}", data={**REASON, "folio": FOLIO}).status_code == 403
    assert "Accept" not in page(pages, f"unmatched/{record}")


def test_the_filter_goes_along_to_the_next_record(pages: Pages) -> None:
    first = wait(pages, address="1 ELM ST")
    wait(pages, address="2 OAK ST")
    last = wait(pages, address="3 ELM ST")
    assert page(pages, "unmatched?q=elm").count('<tr id="record-') == 2
    assert f"unmatched/{first}?q=elm" in page(pages, f"unmatched/{last}?q=elm")
    answer = pages.op.post(f"unmatched/{last}/reject?q=elm", data=REASON)
    assert answer.headers["HX-Redirect"] == f"/operations/unmatched/{first}?q=elm"


def test_the_list_is_filtered_and_paged(pages: Pages) -> None:
    for number in range(60):
        wait(pages, feed="weekly" if number < 5 else "daily", reason="ambiguous" if number < 3 else "no property")
    assert page(pages, "unmatched").count('<tr id="record-') == 50
    assert page(pages, "unmatched?feed=weekly").count('<tr id="record-') == 5
    assert page(pages, "unmatched?reason=ambiguous").count('<tr id="record-') == 3
    assert "ambiguous (3)" in page(pages, "unmatched")
    older = re.search(r"before=(\d+)", page(pages, "unmatched"))
    assert older is not None
    assert page(pages, f"unmatched?before={older[1]}").count('<tr id="record-') == 10


@pytest.mark.parametrize(
    "path", ["unmatched?feed=x", "unmatched?before=x", "unmatched?q=%00", f"unmatched?q={'x' * 300}"]
)
def test_a_wrong_filter_is_refused(pages: Pages, path: str) -> None:
    assert pages.viewer.get(path).status_code == 400


@pytest.mark.parametrize("record", ["0", "999", "9" * 30])
def test_an_unknown_record_is_not_found(pages: Pages, record: str) -> None:
    assert pages.viewer.get(f"unmatched/{record}").status_code == 404
    assert pages.op.post(f"unmatched/{record}/reject", data=REASON).status_code == 404


def test_a_hostile_address_is_shown_as_text(pages: Pages) -> None:
    hostile = "<script>alert(1)</script>"
    record = wait(pages, address=hostile, unit='"><img src=x>', reason=hostile)
    for path in ("unmatched", f"unmatched/{record}", f"unmatched/{record}/accept"):
        shown = pages.op.get(path).text
        assert hostile not in shown and "<img" not in shown


@pytest.mark.parametrize("decision", ["-1", "x", "9" * 30])
def test_an_odd_id_of_a_decision_is_refused(pages: Pages, decision: str) -> None:
    assert pages.op.post("unmatched/undo", data={"decision": decision, **REASON}).status_code in (400, 404)


def test_no_run_starts_while_its_action_cannot_be_recorded(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []

    def trigger(dag_id: str, *_: object) -> str:
        started.append(dag_id)
        return "run 1"

    monkeypatch.setattr(unmatched, "trigger", trigger)
    assert pages.op.post("unmatched/run", data=REASON).status_code == 204
    recorded = "SELECT action, parameters ->> 'run_id' FROM operator_actions"
    assert pages.rows.all(recorded) == [("make_leads", "run 1")]
    pages.rows.database.connection.execute("ALTER TABLE operator_actions RENAME TO away")
    assert pages.op.post("unmatched/run", data=REASON).status_code == 500
    assert started == ["address_review"]


def test_the_run_of_the_review_needs_a_reason_and_a_dag_that_airflow_knows(pages: Pages) -> None:
    assert pages.op.post("unmatched/run", data={}).status_code == 422
    answer = pages.op.post("unmatched/run", data=REASON)
    assert (answer.status_code, "Airflow does not know the DAG address_review" in answer.text) == (409, True)
    assert pages.rows.one("SELECT count(*) FROM operator_actions") == 0
