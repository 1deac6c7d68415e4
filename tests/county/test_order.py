"""Days may be ingested in any order and more than once. The resulting facts are always the same."""

from __future__ import annotations

import itertools
from datetime import date

import pytest

from leads.business_days import add_business_days
from local.postgres import PostgresServer
from sandbox.documents import Document, documents_of
from sandbox.world import parcels
from tests.county.days import FOLIO, FRIDAY, Pipeline, subscriber
from tests.servers.postgres import fresh_database

DAYS = [add_business_days(date(2026, 11, 17), n) for n in range(4)]
DOCUMENTS = 250
ORDERS = [(3, 2, 1, 0), (2, 0, 3, 1), (0, 1, 2, 3, 1, 0), (1, 3, 0, 0, 2)]


def add_parcels(pipeline: Pipeline) -> None:
    """Load the parcel roll, so that addresses can be matched in every order."""
    with pipeline.connection.cursor().copy(
        "COPY properties (folio_number, address, unit, city, zip) FROM STDIN"
    ) as copy:
        for parcel in parcels(11):
            copy.write_row((parcel.folio_number, parcel.address, parcel.unit or None, parcel.city, parcel.zip))


@pytest.mark.parametrize("daily_format", ["cases_parties", "official_records"])
def test_any_order_and_any_repetition_gives_the_same_facts(
    postgres_server: PostgresServer, leads_template: str, monkeypatch: pytest.MonkeyPatch, daily_format: str
) -> None:
    monkeypatch.setenv("MIAMI_DADE_DAILY_FORMAT", daily_format)

    def outcome(order: tuple[int, ...]) -> dict[str, list[tuple[object, ...]]]:
        name = f"order_{daily_format}_" + "".join(map(str, order))
        with fresh_database(postgres_server, name, leads_template) as database:
            pipeline = Pipeline(database.connection)
            add_parcels(pipeline)
            for number in order:
                pipeline.run(DAYS[number], _day(number))
            state = pipeline.state()
            assert state["documents"]
            assert state["parties"]
            return state

    expected = outcome((0, 1, 2, 3))
    for order in ORDERS:
        got = outcome(order)
        for table in ("documents", "parties", "properties"):
            assert got[table] == expected[table], f"{table} differ for the order {order}"


def test_a_replay_writes_no_row_again(either: Pipeline) -> None:
    subscriber(either, tokens=1000, channels=["email", "sms"])
    documents = documents_of(11, FRIDAY, DOCUMENTS)
    either.run(FRIDAY, documents)
    before = either.row_versions()
    assert len(before) > DOCUMENTS
    assert either.counts["write_alerts"]["alerts"] > 0
    either.run(FRIDAY, documents)
    assert either.row_versions() == before
    assert either.counts["write_alerts"]["alerts"] == 0


def test_a_shorter_file_for_a_day_removes_the_missing_documents(either: Pipeline) -> None:
    """A corrected file replaces the earlier file for the same day."""
    documents = documents_of(11, FRIDAY, 40)
    either.run(FRIDAY, documents[:20])
    expected = either.state()
    either.run(FRIDAY, documents)
    assert either.state() != expected
    either.run(FRIDAY, documents[:20])
    after = either.state()
    assert after["documents"] == expected["documents"]
    assert after["parties"] == expected["parties"]


@pytest.mark.parametrize("actions", list(itertools.permutations("IUD", 2)), ids="".join)
def test_the_last_of_two_lines_about_one_document_counts(county: Pipeline, actions: tuple[str, str]) -> None:
    lines = [f"2026^77^1^DEE^^11192026^{FOLIO}^^^^{1000 * n}^0^{action}" for n, action in enumerate(actions, 1)]
    files = {"Cases.exp": "\n".join(lines).encode(), "Parties.exp": b"2026^77^1^1^R^DOE JANE^I"}
    county.finish(county.stage(FRIDAY, files), FRIDAY)
    living = county.rows("SELECT consideration_1::int FROM recorded_documents")
    assert living == ([] if actions[1] == "D" else [(2000,)])


def _day(number: int) -> list[Document]:
    return documents_of(11, DAYS[number], DOCUMENTS)
