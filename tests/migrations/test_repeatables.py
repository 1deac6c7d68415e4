"""Every migration applies changed functions, views and triggers, and recalculates the values that depend on them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic import command

from migrations import MigrationError, configuration
from migrations.reference_data import REFERENCE
from migrations.repeatables import REPEATABLE, RepeatableFile, apply_repeatables, read_repeatables, run_pending_calls
from tests.migrations.conftest import MakeDatabase
from tests.servers.postgres import Database

# The database's functions and views, except functions that belong to an extension.
OURS = """
    SELECT 'FUNCTION', p.oid::regprocedure::text FROM pg_proc p
    WHERE p.pronamespace = 'public'::regnamespace
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
    UNION ALL
    SELECT 'VIEW', c.oid::regclass::text FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'v'
"""


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Return copies of ``repeatable/`` and ``reference/`` that a test may change."""
    return (
        shutil.copytree(REPEATABLE, tmp_path / "repeatable"),
        shutil.copytree(REFERENCE, tmp_path / "reference"),
    )


def migrate(database: Database, folders: tuple[Path, Path]) -> list[str]:
    applied = apply_repeatables(database.connection, everything=False, folder=folders[0], reference=folders[1])
    run_pending_calls(database.connection)
    return applied


def value(database: Database, query: str) -> Any:
    row = database.connection.execute(query).fetchone()
    assert row is not None
    return row[0]


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text, f"{path.name} has no {old!r}"
    path.write_text(text.replace(old, new), "utf-8")


def test_a_changed_function_reaches_a_migrated_database_without_a_revision(
    database: Database, folders: tuple[Path, Path]
) -> None:
    assert migrate(database, folders) == []
    edit(folders[0] / "lead_scores.sql", "->> lead_type)::integer, 0)'", "->> lead_type)::integer, 0) + 1'")

    assert migrate(database, folders) == ["repeatable/lead_scores.sql"]

    assert value(database, "SELECT lead_base_score('probate')") == 96
    assert value(database, "SELECT calculate_lead_score('probate', new_york_day(now()), 0, 0)") == 96
    assert migrate(database, folders) == []


def test_files_that_require_a_changed_file_are_applied_after_it(database: Database, folders: tuple[Path, Path]) -> None:
    edit(folders[0] / "recorded_documents.sql", "-- The current recorded documents", "-- Current recorded documents")

    applied = migrate(database, folders)

    assert set(applied) == {
        "repeatable/recorded_documents.sql",
        "repeatable/property_facts.sql",
        "repeatable/api_records.sql",
        "repeatable/court_leads.sql",
    }
    assert applied[0] == "repeatable/recorded_documents.sql"
    assert applied.index("repeatable/property_facts.sql") < applied.index("repeatable/api_records.sql")


def test_a_file_can_drop_a_function_to_change_its_result_type(database: Database, folders: tuple[Path, Path]) -> None:
    """The view delivery_recipients depends on the function, so the file drops both and creates both again."""
    path = folders[0] / "delivery_recipients.sql"
    edit(
        path,
        "CREATE OR REPLACE FUNCTION plain_preferences(preferences jsonb) RETURNS jsonb",
        "DROP VIEW IF EXISTS delivery_recipients;\nDROP FUNCTION IF EXISTS plain_preferences;\n"
        "CREATE OR REPLACE FUNCTION plain_preferences(preferences jsonb, OUT plain jsonb)",
    )

    migrate(database, folders)

    assert value(database, "SELECT count(*) FROM delivery_recipients") == 0


def test_a_changed_address_rule_recalculates_the_stored_keys(database: Database, folders: tuple[Path, Path]) -> None:
    database.connection.execute(
        "INSERT INTO properties (folio_number, address, unit)"
        " SELECT '30' || lpad(n::text, 11, '0'), n || ' NW 7 ST', CASE n WHEN 3 THEN 'APT #02' END"
        " FROM generate_series(1, 7) AS n"
    )
    database.connection.execute(
        "INSERT INTO properties (folio_number, address) VALUES ('3100000000000', '9 PINETREE DRIVE')"
    )
    edit(folders[0] / "addresses.sql", "batch_size integer DEFAULT 20000", "batch_size integer DEFAULT 2")
    edit(folders[0] / "addresses.sql", "THEN replace(address, ' ', '|')", "THEN 'new:' || replace(address, ' ', '|')")
    edit(folders[1] / "street_words.csv", "DRIVE,type,DR", "DRIVE,type,DRIVE")

    migrate(database, folders)

    keys = "SELECT array_agg(DISTINCT address_key ORDER BY address_key) FROM properties"
    expected = [*(f"new:{n}|NW|7|ST" for n in range(1, 8)), "9||PINETREE|DRIVE"]
    assert value(database, keys) == sorted(expected)
    assert value(database, "SELECT unit_key FROM properties WHERE unit IS NOT NULL") == "2"
    assert value(database, "SELECT count(*) FROM schema_repeatables WHERE pending_call IS NOT NULL") == 0


def test_the_next_migration_finishes_an_interrupted_recalculation(
    database: Database, folders: tuple[Path, Path]
) -> None:
    edit(folders[0] / "addresses.sql", "-- Addresses. One function", "-- One function")
    apply_repeatables(database.connection, everything=False, folder=folders[0], reference=folders[1])
    assert value(database, "SELECT pending_call FROM schema_repeatables WHERE name = 'repeatable/addresses.sql'") == (
        "CALL refresh_address_keys()"
    )
    database.connection.execute("INSERT INTO properties (folio_number, address) VALUES ('3100000000000', '9 NW 7 ST')")
    database.connection.execute("UPDATE properties SET address_key = 'stale'")

    assert migrate(database, folders) == []

    assert value(database, "SELECT address_key FROM properties") == "9|NW|7|ST"


def test_no_index_constraint_or_generated_column_uses_a_repeatable_function(
    database: Database,
) -> None:
    """When a function changes, PostgreSQL does not update the indexes, constraints and columns that use the function.

    Store a computed value in an ordinary column that migrations recalculate, such as address_key.
    """
    users = database.connection.execute(
        "SELECT DISTINCT pg_describe_object(d.classid, d.objid, d.objsubid)"
        " FROM pg_depend d JOIN pg_proc p ON d.refclassid = 'pg_proc'::regclass AND d.refobjid = p.oid"
        " LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid"
        " WHERE p.pronamespace = 'public'::regnamespace"
        " AND (c.relkind IN ('i', 'm') OR d.classid IN ('pg_constraint'::regclass, 'pg_attrdef'::regclass))"
    ).fetchall()
    assert users == []


def drop_everything(connection: psycopg.Connection[Any]) -> None:
    for kind, name in connection.execute(OURS).fetchall():
        connection.execute(f"DROP {'ROUTINE' if kind == 'FUNCTION' else kind} IF EXISTS {name} CASCADE")
    connection.execute("DELETE FROM schema_repeatables")


def test_the_files_create_every_function_view_and_trigger(database: Database) -> None:
    triggers = "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal"
    before = database.connection.execute(f"{OURS} ORDER BY 1, 2").fetchall(), value(database, triggers)
    with database.connection.transaction():
        drop_everything(database.connection)
        apply_repeatables(database.connection, everything=True)

    assert (database.connection.execute(f"{OURS} ORDER BY 1, 2").fetchall(), value(database, triggers)) == before


@pytest.mark.parametrize("file", read_repeatables(), ids=lambda file: file.name)
def test_a_file_names_all_files_that_it_requires(shared_database: Database, file: RepeatableFile) -> None:
    files = {other.name: other for other in read_repeatables()}
    needed = [file.name]
    for name in needed:
        needed += [other for other in files[name].requires if other not in needed]
    with shared_database.connection.transaction(force_rollback=True):
        drop_everything(shared_database.connection)
        for other in files.values():
            if other.name in needed:
                shared_database.connection.execute(other.text.encode())


def test_a_failing_file_is_named_and_changes_nothing(database: Database, folders: tuple[Path, Path]) -> None:
    edit(folders[0] / "names.sql", "-- Names of", "-- The names of")
    (folders[0] / "zero.sql").write_text("-- requires: names\n\nSELECT no_such_function();\n")

    with (
        pytest.raises(MigrationError, match=r"repeatable/zero\.sql cannot be applied: function no_such_function"),
        database.connection.transaction(),
    ):
        migrate(database, folders)

    assert migrate(database, (REPEATABLE, folders[1])) == []


def test_an_unknown_requirement_and_a_cycle_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text("-- requires: b\n\n")
    with pytest.raises(MigrationError, match=r"repeatable/a\.sql requires b, but there is no repeatable/b\.sql"):
        read_repeatables(tmp_path)
    (tmp_path / "b.sql").write_text("-- requires: a\n\n")
    with pytest.raises(MigrationError, match="require each other: "):
        read_repeatables(tmp_path)


def test_files_are_applied_only_at_the_newest_revision(database_at: MakeDatabase) -> None:
    url = database_at("0004")
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT to_regclass('schema_repeatables')").fetchone()
    assert row == (None,)
    command.upgrade(configuration(url), "head")
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT FROM schema_repeatables").rowcount > 20
