"""Documents from the files and from the API lead to the same facts.

If two reports of the same document differ, the later report wins.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import psycopg
import pytest
from psycopg.types.json import Jsonb

from county import feeds, pipeline
from county.runs import Run
from leads.clock import local_day
from notifier.maintenance.tasks import refresh_after_merge
from sandbox.documents import Document, Party
from tests.county.days import FOLIO, FRIDAY, OTHER_FOLIO, THURSDAY, WEDNESDAY, Pipeline, deed, document, mortgage
from tests.notifier.county_api import CountyApi, answer, rows_of
from tests.notifier.system import System
from tests.servers.postgres import Database

EARLIER = FRIDAY
"""A business date in the past: its files are older than the API's answers, which are from today."""
LATER = local_day(datetime.now(UTC)) + timedelta(days=3)


@pytest.fixture(params=["cases_parties", "official_records"])
def files(request: pytest.FixtureRequest, database: Database, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    """Return the ingestion pipeline. The test runs once for each format of the daily files."""
    monkeypatch.setenv("MIAMI_DADE_DAILY_FORMAT", request.param)
    return Pipeline(database.connection)


class Api:
    def __init__(self, county: CountyApi) -> None:
        self._county = county

    def says(self, *documents: Document, folio: str = FOLIO) -> None:
        """Make the API answer with ``documents``, then look up ``folio``."""
        from notifier.core.db import transaction
        from notifier.lookups import client, worker

        with transaction() as cursor:  # Make all earlier answers too old to reuse.
            cursor.execute("UPDATE lookups SET finished_at = finished_at - interval '1 day'")
        self._county.answers(answer(*(rows_of(one) for one in documents)), times=1)
        requested = client.request_lookup(folio, None)
        if requested.lookup_id is None:
            with transaction() as cursor:
                cursor.execute(
                    "INSERT INTO lookups (folio_number, expires_at) VALUES (%s, now() + interval '1 minute')"
                    " RETURNING id",
                    (folio,),
                )
                row = cursor.fetchone()
            assert row is not None
            requested = replace(requested, lookup_id=row["id"])
        worker.answer(folio, None, requested.lookup_id)


@pytest.fixture
def api(county_api: CountyApi) -> Api:
    return Api(county_api)


def history() -> list[Document]:
    sold = deed(WEDNESDAY, "FIRST FRAN", price=200_000)
    given = deed(THURSDAY, "SECOND SUE", "THIRD TOM", price=10, stamp_tax="0.60", code="QCD")
    loan = mortgage(THURSDAY, 150_000, sequence=given.sequence + 500)
    released = document("SMO", THURSDAY, ("D", "BANK"), ("R", "SECOND SUE"), sequence=given.sequence + 501)
    return [sold, given, loan, replace(released, original=(loan.year, loan.sequence))]


def test_the_api_and_the_files_give_the_same_facts(files: Pipeline, api: Api) -> None:
    documents = history()
    files.run(EARLIER, [replace(one, folio=OTHER_FOLIO) for one in documents])
    api.says(*(replace(one, sequence=one.sequence + 10_000, original=None) for one in documents))
    assert files.facts(FOLIO) == files.facts(OTHER_FOLIO)
    assert files.facts(FOLIO)["owner_name"] == "SECOND SUE; THIRD TOM"
    assert files.facts(FOLIO)["last_sale_price"] == Decimal("200000.00")
    assert files.facts(FOLIO)["mortgage_balance"] == 0


def test_both_together_count_each_document_once(files: Pipeline, api: Api) -> None:
    documents = history()
    files.run(EARLIER, documents)
    before = files.facts()
    api.says(*documents)
    assert files.facts() == before
    assert len(files.rows("SELECT 1 FROM recorded_documents")) == len(documents)
    assert len(files.rows("SELECT 1 FROM document_parties")) == sum(len(one.parties) for one in documents)


def test_an_answer_survives_older_files(files: Pipeline, api: Api) -> None:
    old, new = deed(WEDNESDAY, "OLD OLGA"), deed(date(2026, 11, 23), "NEW NINA")
    api.says(old, new)
    files.run(EARLIER, [old])
    files.run(EARLIER, [old, deed(THURSDAY, "ELSE ELLA", folio=OTHER_FOLIO)])
    assert files.facts()["owner_name"] == "NEW NINA"


def test_a_later_file_corrects_the_api(files: Pipeline, api: Api) -> None:
    wrong = deed(THURSDAY, "WRONG WANDA", price=100_000)
    api.says(wrong)
    parties = (Party("D", "SELLER SAM"), Party("R", "RIGHT RITA"))
    files.run(LATER, [replace(wrong, parties=parties, consideration="300000.00", action="U")])
    assert (files.facts()["owner_name"], files.facts()["last_sale_price"]) == ("RIGHT RITA", Decimal(300_000))
    api.says(wrong)
    assert files.facts()["owner_name"] == "RIGHT RITA", "an answer never overwrites facts from a newer file"
    files.run(EARLIER, [wrong])
    assert files.facts()["owner_name"] == "RIGHT RITA"


def test_the_api_corrects_an_older_file(files: Pipeline, api: Api) -> None:
    first = deed(THURSDAY, "WRONG WANDA")
    files.run(EARLIER, [first])
    api.says(replace(first, parties=(Party("D", "SELLER SAM"), Party("R", "RIGHT RITA"))))
    assert files.facts()["owner_name"] == "RIGHT RITA"
    files.run(EARLIER, [first, deed(THURSDAY, "ELSE ELLA", folio=OTHER_FOLIO)])
    assert files.facts()["owner_name"] == "RIGHT RITA", "a replay of a file does not revert newer facts"


def test_a_later_file_deletes_a_document(files: Pipeline, api: Api) -> None:
    old, new = deed(WEDNESDAY, "OLD OLGA"), deed(THURSDAY, "NEW NINA")
    api.says(old, new)
    files.run(LATER, [replace(new, action="D")])
    assert files.facts()["owner_name"] == "OLD OLGA"


def test_a_deletion_without_parties_deletes(api: Api, database: Database) -> None:
    files = Pipeline(database.connection)
    old, new = deed(WEDNESDAY, "OLD OLGA"), deed(THURSDAY, "NEW NINA")
    api.says(old, new)
    files.run(LATER, [replace(new, action="D", parties=()), deed(THURSDAY, "ELSE ELLA", folio=OTHER_FOLIO)])
    assert files.facts()["owner_name"] == "OLD OLGA"


def test_a_document_that_moves_to_another_folio_leaves_the_first(files: Pipeline, api: Api) -> None:
    moved, stays = deed(THURSDAY, "NEW NINA"), deed(WEDNESDAY, "OLD OLGA")
    api.says(moved, stays)
    files.run(LATER, [replace(moved, folio=OTHER_FOLIO, action="U")])
    assert files.facts(FOLIO)["owner_name"] == "OLD OLGA"
    assert files.facts(OTHER_FOLIO)["owner_name"] == "NEW NINA"


def test_a_moved_document_without_parties_leaves_the_first_folio(api: Api, database: Database) -> None:
    files = Pipeline(database.connection)
    moved, stays = deed(THURSDAY, "NEW NINA"), deed(WEDNESDAY, "OLD OLGA")
    api.says(moved, stays)
    files.run(LATER, [replace(moved, folio=OTHER_FOLIO, action="U", parties=())])
    assert files.facts(FOLIO)["owner_name"] == "OLD OLGA"


def test_an_answer_refreshes_the_property_whatever_it_contains(files: Pipeline, api: Api) -> None:
    files.run(EARLIER, [deed(THURSDAY, "OLD OLGA")])
    api.says()
    (updated,) = files.one("SELECT last_updated > now() - interval '1 minute' FROM properties")
    assert updated
    files.run(EARLIER, [deed(THURSDAY, "NEW NINA")])
    (updated,) = files.one("SELECT last_updated > now() - interval '1 minute' FROM properties")
    assert updated, "a replay of a file does not make the property older"


def test_an_answer_creates_no_lead(files: Pipeline, api: Api) -> None:
    api.says(deed(THURSDAY, "NEW NINA"))
    files.run(EARLIER, [deed(THURSDAY, "ELSE ELLA", folio=OTHER_FOLIO)])
    assert [contact for _, _, contact, _ in files.leads()] == ["ELSE ELLA"]


def test_storing_an_answer_reads_no_more_rows_as_the_tables_grow(database: Database) -> None:
    """The plans must use indexes, even if the session made the plans while the tables were empty."""
    names = ("cfn_year", "cfn_seq", "group_id", "party_sequence", "folio", "document_code", "party_code")

    def keep(number: int) -> None:
        folio = f"31{number:011d}"
        records = [dict(zip(names, (2026, number, 1, party, folio, "DEE", "R"), strict=True)) for party in (1, 2)]
        database.connection.execute("SELECT store_api_records(%s, %s)", (folio, Jsonb(records)))

    def read_in_rows() -> int:
        row = database.connection.execute(
            "SELECT sum(seq_tup_read + idx_tup_fetch) FROM pg_stat_xact_user_tables"
            " WHERE relname IN ('api_documents', 'api_parties', 'document_versions')"
        ).fetchone()
        assert row is not None
        return int(row[0])

    for number in range(1, 301):
        keep(number)
    with database.connection.transaction():
        before = read_in_rows()
        keep(301)
        assert read_in_rows() - before < 30


def test_an_answer_during_a_merge_and_the_merge_both_count(api: Api, system: System, database: Database) -> None:
    """The merge and the lookup cannot see each other's document, so the property's facts must be refreshed later.

    A lookup does not wait for a merge that changes only other folios.
    """
    files = Pipeline(database.connection)
    files.run(WEDNESDAY, [deed(date(2026, 11, 17), "OLD OLGA")])
    ingestion = files.stage_documents(FRIDAY, [mortgage(FRIDAY, 150_000)])
    with ThreadPoolExecutor(1) as lookup, psycopg.connect(database.url, autocommit=True) as sweeper:
        with database.connection.transaction():
            for step in (pipeline.match, pipeline.merge):
                step(database.connection, Run(feeds.feed("daily"), ingestion, FRIDAY))
            api.says(deed(THURSDAY, "ELSE ELLA", folio=OTHER_FOLIO), folio=OTHER_FOLIO)
            answered = lookup.submit(api.says, deed(THURSDAY, "NEW NINA"))
            system.wait_until(lambda: database.waiting_sessions() == 1, "the lookup at the merged row")
            refresh_after_merge(sweeper)
        answered.result(30)
        assert files.facts()["mortgage_balance"] is None
        refresh_after_merge(sweeper)
    assert (files.facts()["owner_name"], files.facts()["mortgage_balance"]) == ("NEW NINA", Decimal(150_000))
    assert files.one("SELECT count(*) FROM folios_to_refresh") == (0,)
