"""``migrations/schema.sql`` is the schema of a new database."""

from __future__ import annotations

from pathlib import Path

from migrations import HERE
from migrations.snapshot import take_snapshot
from tests.servers.postgres import Database


def test_the_snapshot_is_the_schema_of_a_new_database(database: Database, tmp_path: Path) -> None:
    snapshot = take_snapshot(database.url)
    (tmp_path / "schema.sql").write_text(snapshot)

    assert (HERE / "schema.sql").read_text("utf-8") == snapshot, (
        f"if the change is meant: cp {tmp_path / 'schema.sql'} migrations/schema.sql, or migrate a database and run"
        " DATABASE_URL=… python -m migrations snapshot"
    )


def test_a_snapshot_with_bodies_shows_a_changed_function(database: Database) -> None:
    without, with_bodies = take_snapshot(database.url), take_snapshot(database.url, with_bodies=True)
    database.connection.execute(
        "CREATE OR REPLACE FUNCTION call_tokens(seconds integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 1'"
    )

    assert take_snapshot(database.url) == without
    assert take_snapshot(database.url, with_bodies=True) != with_bodies


def test_a_snapshot_shows_a_changed_table_and_not_a_run_in_progress(database: Database) -> None:
    before = take_snapshot(database.url)
    database.connection.execute("CREATE TABLE staging_parties_7 PARTITION OF staging_parties FOR VALUES IN (7)")
    assert take_snapshot(database.url) == before
    database.connection.execute("ALTER TABLE leads ALTER COLUMN status SET DEFAULT 'contacted'")
    assert take_snapshot(database.url) != before
