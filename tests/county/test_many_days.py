"""The pipeline can process a year's days one after another, and can process several days at the same time."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import date
from string import ascii_uppercase

import psycopg
import pytest

from county import pipeline
from leads.business_days import add_business_days
from local.postgres import PostgresServer
from sandbox.documents import Document, documents_of
from tests.county.days import WRITERS, Pipeline, deed, mortgage
from tests.servers.postgres import Database, fresh_database

FIRST = date(2025, 11, 20)


@pytest.mark.drill
def test_a_year_of_days_in_a_row_keeps_facts_and_drops_staging(county: Pipeline) -> None:
    days = [add_business_days(FIRST, n) for n in range(250)]
    before = relations(county)
    names = [f"DOE JO{first}{second}" for first in "ABCDEFGHIJ" for second in ascii_uppercase]
    for number, day in enumerate(days):
        sold = deed(add_business_days(day, -1), names[number], price=100_000 + number)
        documents = [sold, mortgage(add_business_days(day, -1))]
        files = {name: "\r\n".join(WRITERS[name](documents)).encode() for name in ("Cases.exp", "Parties.exp")}
        county.finish(county.stage(day, files), day)
    assert county.facts()["owner_name"] == names[249]
    assert county.facts()["last_sale_price"] == 100_249
    assert county.one("SELECT count(*), count(*) FILTER (WHERE status = 'new') FROM leads") == (250, 1)
    assert county.one("SELECT count(*), count(DISTINCT ingestion_date), min(status) FROM data_ingestion_logs") == (
        250, 250, "success",
    )  # fmt: skip
    assert relations(county) - before <= 2, "only the last day's staging is left, one partition per file"


def relations(county: Pipeline) -> int:
    (count,) = county.one("SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'p')")
    return int(count)


@pytest.mark.parametrize("connections", ["1", "3"])
def test_concurrent_days_give_the_same_result_as_serial_days(
    postgres_server: PostgresServer, leads_template: str, monkeypatch: pytest.MonkeyPatch, connections: str
) -> None:
    monkeypatch.setenv("INGESTION_CONNECTIONS", connections)
    monkeypatch.setattr(pipeline, "ROWS_PER_SLICE", 1)
    days = [add_business_days(date(2026, 11, 17), n) for n in range(3)]
    made = [documents_of(11, day, 200) for day in days]
    earlier = deed()

    def outcome(name: str, *, at_once: bool) -> dict[str, list[tuple[object, ...]]]:
        with fresh_database(postgres_server, name, leads_template) as database:
            county = Pipeline(database.connection)
            county.run(add_business_days(days[0], -1), [earlier])  # The next run drops this run's staging tables.
            if at_once:
                run_at_once(database, list(zip(days, made, strict=True)))
            else:
                for day, documents in zip(days, made, strict=True):
                    county.run(day, documents)
            assert county.one("SELECT count(*) FROM data_ingestion_logs WHERE status = 'success'") == (4,)
            return county.state()

    assert outcome("side_by_side", at_once=True) == outcome("in_order", at_once=False)


def run_at_once(database: Database, days: Sequence[tuple[date, Sequence[Document]]]) -> None:
    """Run each day in its own thread with its own connection. All threads start at the same time."""
    together = threading.Barrier(len(days), timeout=60)
    failures: list[Exception] = []

    def run(day: date, documents: Sequence[Document]) -> None:
        try:
            with psycopg.connect(database.url, autocommit=True) as connection:
                together.wait()
                Pipeline(connection).run(day, documents)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=day) for day in days]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_long_read_of_staging_does_not_block_other_runs(county: Pipeline, database: Database) -> None:
    county.run(FIRST, [deed()])
    with psycopg.connect(database.url) as reader:
        reader.execute("SELECT count(*) FROM staging_parties, staging_official_records")
        with psycopg.connect(database.url, autocommit=True) as other:
            other.execute("SET statement_timeout = '20s'")
            Pipeline(other).run(add_business_days(FIRST, 1), [deed()])
