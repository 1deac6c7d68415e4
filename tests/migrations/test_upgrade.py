"""Upgrading a database from any released revision gives it the same schema as a new database and keeps its data."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic import command
from psycopg import sql

from local.postgres import PostgresServer
from migrations import configuration
from migrations.reference_data import reference_files
from migrations.snapshot import take_snapshot
from tests.migrations.conftest import MakeDatabase

OLD_DATA = (Path(__file__).parent / "old_data.sql").read_text("utf-8")
LANDED = ["0001", "0002 in its first version", "0002", "0003", "0004", "0008", "0010", "0012", "0013"]


def make_landed(database_at: MakeDatabase, revision: str) -> str:
    if revision != "0002 in its first version":
        return database_at(revision)
    # The first version of 0002 only replaced functions. Later versions of 0002 added tables such as mailing_runs.
    url = database_at("0001")
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0002'")
    return url


def table_rows(connection: psycopg.Connection[Any]) -> dict[str, list[dict[str, Any]]]:
    tables = connection.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
        " AND NOT relispartition AND relname <> 'alembic_version'"
    ).fetchall()
    select = sql.SQL("SELECT to_jsonb(t) FROM {} t")
    return {
        name: [row for (row,) in connection.execute(select.format(sql.Identifier(name))).fetchall()]
        for (name,) in tables
    }


def restricted(rows: list[dict[str, Any]], columns: set[str]) -> list[str]:
    return sorted(json.dumps({name: row[name] for name in columns}, sort_keys=True) for row in rows)


def is_kept(row: dict[str, Any], rows: list[dict[str, Any]]) -> bool:
    """Return whether ``rows`` contains ``row``. Columns that were null may have been filled."""
    values = {name: value for name, value in row.items() if value is not None}
    return any(values.items() <= {name: other.get(name) for name in values}.items() for other in rows)


@pytest.mark.parametrize("revision", LANDED)
def test_a_database_at_any_revision_upgrades_to_the_newest_schema_and_keeps_its_rows(
    database_at: MakeDatabase, postgres_server: PostgresServer, leads_template: str, revision: str
) -> None:
    url = make_landed(database_at, revision)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(OLD_DATA)
        before = table_rows(connection)
        filled = {table for table, rows in before.items() if rows}

        command.upgrade(configuration(url), "head")

        after = table_rows(connection)
    new = postgres_server.url(leads_template)
    assert take_snapshot(url, with_bodies=True) == take_snapshot(new, with_bodies=True)
    assert {"users", "properties", "leads", "deliveries", "token_entries", "court_records", "lookups"} <= filled
    reference_tables = {path.stem for path in reference_files()}
    for table in filled - reference_tables:
        assert [row for row in before[table] if not is_kept(row, after[table])] == [], table
    with psycopg.connect(new) as connection:
        fresh = table_rows(connection)
    for table in reference_tables:
        rows = [row for row in after[table] if row.get("is_reference", True)]
        assert restricted(rows, set(rows[0])) == restricted(fresh[table], set(rows[0])), table


def test_every_table_of_the_first_revision_has_data_in_the_upgrade_test(database_at: MakeDatabase) -> None:
    with psycopg.connect(database_at("0001"), autocommit=True) as connection:
        connection.execute(OLD_DATA)
        empty = {table for table, rows in table_rows(connection).items() if not rows}
    staging = {table for table in empty if table.startswith("staging_")}
    assert empty == staging, "add rows to old_data.sql"


def test_balances_and_functions_work_after_an_upgrade_with_open_holds(database_at: MakeDatabase) -> None:
    url = database_at("0001")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(OLD_DATA)
        command.upgrade(configuration(url), "head")
        wrong = connection.execute("SELECT * FROM token_balances WHERE token_balance <> by_entries").fetchall()
        assert wrong == []
        held = connection.execute("SELECT token_balance FROM users WHERE id = 1").fetchone()
        connection.execute(
            "SELECT release_tokens(ARRAY(SELECT id FROM deliveries WHERE state = 'sending'), 'never sent')"
        )
        released = connection.execute("SELECT token_balance FROM users WHERE id = 1").fetchone()
    assert held is not None and released is not None
    assert released[0] == held[0] + 10


def test_the_log_of_the_countys_api_gets_the_words_of_its_readers(database_at: MakeDatabase) -> None:
    url = database_at("0007")
    logged = [("Successful", 3), ("Successful", 0), ("Failed", None), ("http_500", None)]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.cursor().executemany(
            "INSERT INTO miami_dade_api_logs"
            " (query_type, query_params, triggered_by, response_status, records_returned)"
            """ VALUES ('folio', '{"folio_number": "3040010010010", "more": 1}', 'property_lookup', %s, %s)""",
            logged,
        )
        command.upgrade(configuration(url), "head")
        rows = connection.execute(
            "SELECT query_type, query_params, triggered_by, response_status FROM miami_dade_api_logs ORDER BY id"
        ).fetchall()
    assert rows == [
        ("FOLIO", {"FOLIO_NUMBER": "3040010010010", "more": 1}, "subscriber_query", status)
        for status in ("success", "no_data", "county_failed", "http_500")
    ]


def test_upgrading_again_changes_nothing(database_at: MakeDatabase) -> None:
    url = database_at("head")
    with psycopg.connect(url, autocommit=True) as connection:
        applied = connection.execute("SELECT name, checksum, applied_at FROM schema_repeatables").fetchall()
        command.upgrade(configuration(url), "head")
        assert connection.execute("SELECT name, checksum, applied_at FROM schema_repeatables").fetchall() == applied


NUMBERS = """
    INSERT INTO users (id, phone_number, twilio_phone_number)
    VALUES (71, '(305) 555-0171', '786.555.0171'), (72, 'call me', NULL), (73, '+13055550173', NULL);
    INSERT INTO leads (id, lead_type, phone_number) VALUES (71, 'probate', '1-305-555-0172'), (72, 'probate', '12');
    INSERT INTO call_consents (subscriber_id, phone_number) VALUES (71, '305 555 0172'), (71, '+44 (0)20 7946 0958');
    INSERT INTO suppressions (channel, address, reason)
    VALUES ('sms', '(305) 555-0171', 'stop'), ('sms', '+13055550171', 'stop'), ('voice', '305 555 0171', 'stop'),
           ('voice', '305-555-0171', 'asked on a call'), ('email', '305-555-0171', 'bounce');
"""


def test_an_upgrade_rewrites_phone_numbers_and_names_those_it_cannot_read(
    database_at: MakeDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    url = database_at("0007")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(NUMBERS)
        with caplog.at_level(logging.INFO, "migrations"):
            command.upgrade(configuration(url), "head")
        users = connection.execute("SELECT phone_number, twilio_phone_number FROM users ORDER BY id").fetchall()
        leads = connection.execute("SELECT phone_number FROM leads ORDER BY id").fetchall()
        consents = connection.execute("SELECT phone_number FROM call_consents ORDER BY id").fetchall()
        suppressed = connection.execute("SELECT channel, address, reason FROM suppressions ORDER BY 1, 2").fetchall()
    assert users == [("+13055550171", "+17865550171"), ("call me", None), ("+13055550173", None)]
    assert leads == [("+13055550172",), ("12",)]
    assert consents == [("+13055550172",), ("+442079460958",)]
    assert suppressed == [
        ("email", "305-555-0171", "bounce"),
        ("sms", "+13055550171", "stop"),
        # START does not lift a suppression with this reason.
        ("voice", "+13055550171", "asked on a call"),
    ]
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [(text.split(":")[0], text.split()[-1]) for text in warnings] == [
        ("users.phone_number", "72"),
        ("leads.phone_number", "72"),
    ]
    assert "call me" not in caplog.text
