"""A step in several slices has the result of one transaction, also if its process is killed at any point."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from functools import cache
from multiprocessing import get_context
from typing import Any

import psycopg
import pytest

from county import feeds, pipeline, runs, slices
from county.runs import Run
from leads.business_days import add_business_days
from local.postgres import PostgresServer
from sandbox.documents import Document, documents_of
from tests.county.days import FRIDAY, MONDAY, OTHER_FOLIO, THURSDAY, Pipeline, deed, lis_pendens, mortgage, subscriber
from tests.county.test_order import add_parcels
from tests.servers.postgres import Database, fresh_database

#: Columns of generated ids and clock times, which differ between two equal databases.
_OWN = {"id", "created_at", "property_id", "ingestion_id", "run_id", "started_at", "duration_seconds", "announced_at"}
_TABLES = (
    "document_versions",
    "party_versions",
    "properties",
    "unmatched_records",
    "pending_folios",
    "merged_folios",
    "data_ingestion_logs",
)
_LEADS = (
    "SELECT p.folio_number, to_jsonb(l) - %s::text[] FROM leads l JOIN properties p ON p.id = l.property_id"
    " ORDER BY 1, l.lead_type, l.source_reference"
)


@pytest.fixture(autouse=True)
def tiny_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "ROWS_PER_SLICE", 1)
    monkeypatch.setattr(pipeline, "FOLIOS_PER_BATCH", 20)


def whole_tables(county: Pipeline) -> dict[str, list[Any]]:
    tables = {
        table: [row for (row,) in county.rows(f"SELECT to_jsonb(t) - %s::text[] FROM {table} t", list(_OWN))]
        for table in _TABLES
    }
    for rows in tables.values():
        rows.sort(key=repr)
    return tables | {"leads": county.rows(_LEADS, list(_OWN))}


@cache
def a_day(day: date) -> list[Document]:
    """Return a day on which documents of different slices concern the same folios and the same cases."""
    before = add_business_days(day, -1)
    made = documents_of(11, day, 60)
    for number in range(12):
        folio, case = f"30499{number:08}", f"2026-{number:06}-CA-01"
        made += [
            lis_pendens(before, folio=folio, case_number=case),
            deed(before, f"DOE JO{'ABCDEFGHIJKL'[number]}", folio=folio),
        ]
        made += [mortgage(before, folio=folio), lis_pendens(before, folio=f"30500{number:08}", case_number=f"{case}-2")]
    return made


@contextmanager
def a_county(server: PostgresServer, name: str, template: str) -> Iterator[tuple[Database, Pipeline]]:
    with fresh_database(server, name, template) as database:
        county = Pipeline(database.connection)
        add_parcels(county)
        yield database, county


@pytest.mark.parametrize("daily_format", ["cases_parties", "official_records"])
def test_four_slices_have_the_result_of_one(
    postgres_server: PostgresServer, leads_template: str, monkeypatch: pytest.MonkeyPatch, daily_format: str
) -> None:
    monkeypatch.setenv("MIAMI_DADE_DAILY_FORMAT", daily_format)
    friday, monday = a_day(FRIDAY), a_day(MONDAY)
    results, counts = [], []
    for connections in ("1", "4"):
        monkeypatch.setenv("INGESTION_CONNECTIONS", connections)
        with a_county(postgres_server, f"slices_{daily_format}_{connections}", leads_template) as (_, county):
            subscriber(county, tokens=10_000)
            for day, documents in [(FRIDAY, friday), (MONDAY, monday), (FRIDAY, friday[10:])]:
                county.run(day, documents)
                counts.append(
                    (connections, {step: county.counts[step] for step in ("merge", "make_leads", "write_alerts")})
                )
            results.append(whole_tables(county))
    assert results[0] == results[1]
    assert [count for connections, count in counts if connections == "1"] == [
        count for connections, count in counts if connections == "4"
    ]
    assert len(results[0]["leads"]) > 20


def die_after(url: str, ingestion_id: int, day: date, executed: int) -> None:
    """Run the steps merge and make_leads; kill this process before it commits script number ``executed`` (from 0).

    The steps of ``a_day`` run 6 scripts to merge documents, at least 4 to derive properties, and 12 to make leads.
    """
    numbers = itertools.count()
    run_statements = pipeline.run_statements

    def counted(connection: psycopg.Connection, name: str, **parameters: Any) -> dict[str, int]:
        counts = run_statements(connection, name, **parameters)
        if next(numbers) == executed:
            os.kill(os.getpid(), signal.SIGKILL)
        return counts

    pipeline.run_statements = counted
    pipeline.ROWS_PER_SLICE, pipeline.FOLIOS_PER_BATCH = 1, 20
    run = Run(feeds.feed("daily"), ingestion_id, day)
    with psycopg.connect(url, autocommit=True) as connection:
        pipeline.merge(connection, run)
        pipeline.make_leads(connection, run)


def after_monday(database: Database, county: Pipeline, *, killed_after: int | None) -> dict[str, list[Any]]:
    county.run(FRIDAY, a_day(FRIDAY))
    ingestion_id = county.stage_documents(MONDAY, a_day(MONDAY))
    run = Run(feeds.feed("daily"), ingestion_id, MONDAY)
    pipeline.match(county.connection, run)
    if killed_after is not None:
        process = get_context("spawn").Process(
            target=die_after, args=(database.url, ingestion_id, MONDAY, killed_after)
        )
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL
    pipeline.merge(county.connection, run)
    pipeline.make_leads(county.connection, run)
    runs.close_run(county.connection, ingestion_id)
    return whole_tables(county)


@pytest.mark.parametrize("executed", [0, 3, 4, 5, 6, 8, 11, 14, 20])
def test_a_run_that_is_killed_anywhere_is_finished_by_its_next_try(
    postgres_server: PostgresServer, leads_template: str, monkeypatch: pytest.MonkeyPatch, executed: int
) -> None:
    monkeypatch.setenv("INGESTION_CONNECTIONS", "3")
    with a_county(postgres_server, f"undisturbed_{executed}", leads_template) as undisturbed:
        expected = after_monday(*undisturbed, killed_after=None)
    with a_county(postgres_server, f"killed_{executed}", leads_template) as killed:
        assert after_monday(*killed, killed_after=executed) == expected


def test_another_date_derives_what_a_run_that_died_has_left(county: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    died = county.stage_documents(FRIDAY, [deed(THURSDAY, "DOE JANE")])
    run = Run(feeds.feed("daily"), died, FRIDAY)
    pipeline.match(county.connection, run)
    with monkeypatch.context() as patched:
        patched.setattr(pipeline, "derive_properties", dies)
        with pytest.raises(KeyboardInterrupt):
            pipeline.merge(county.connection, run)
    assert county.one("SELECT count(*) FROM properties") == (0,)
    county.run(MONDAY, [deed(FRIDAY, folio=OTHER_FOLIO)])
    assert county.facts()["owner_name"] == "DOE JANE"
    created = "SELECT new_properties FROM data_ingestion_logs ORDER BY ingestion_date"
    assert county.rows(created) == [(1,), (1,)], "each run's row counts the properties of its own documents"


def dies(*_: Any) -> dict[str, int]:
    raise KeyboardInterrupt


def test_a_merge_waits_for_the_last_parts_of_a_killed_task(county: Pipeline, database: Database) -> None:
    ingestion_id = county.stage_documents(FRIDAY, [deed()])
    run = Run(feeds.feed("daily"), ingestion_id, FRIDAY)
    with psycopg.connect(database.url) as part:
        part.execute("SELECT pg_advisory_xact_lock_shared(hashtext(%s))", (slices.PART_LOCK,))
        county.connection.execute("SET lock_timeout = '300ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            pipeline.merge(county.connection, run)
        with pytest.raises(psycopg.errors.LockNotAvailable, match="a run is changing properties"):
            county.connection.execute("SELECT undo_address_decision(1, 'anna', 'test')")
    assert pipeline.merge(county.connection, run)["documents"] == 1


def test_the_first_error_ends_the_other_parts_and_leaves_no_lock(county: Pipeline, database: Database) -> None:
    def fails(connection: psycopg.Connection) -> dict[str, int]:
        connection.execute("SELECT 1 / 0")
        raise AssertionError("unreachable")

    def sleeps(connection: psycopg.Connection) -> dict[str, int]:
        connection.execute("SELECT pg_sleep(60)")
        raise AssertionError("unreachable")

    with pytest.raises(psycopg.errors.DivisionByZero), slices.merge_lock(county.connection):
        slices.run_parts(county.connection, [sleeps, fails, sleeps], 2)
    locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
    assert county.one(locks) == (0,)


def test_parts_have_the_session_settings_of_the_step(county: Pipeline) -> None:
    county.connection.execute("SET work_mem = '11MB'")
    seen = []

    def part(connection: psycopg.Connection) -> dict[str, int]:
        seen.append((connection.info.backend_pid, connection.execute("SHOW work_mem").fetchone()))
        return {"parts": 1}

    assert slices.run_parts(county.connection, [part] * 4, 2) == {"parts": 4}
    assert {setting for _, setting in seen} == {("11MB",)}
    assert county.connection.info.backend_pid not in {pid for pid, _ in seen}
