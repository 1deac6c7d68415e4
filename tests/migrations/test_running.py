"""Migrations run one at a time, wait only briefly for a running system's locks, and name a remedy when they fail."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from psycopg.rows import scalar_row

from migrations import HERE, configuration
from migrations.__main__ import explain
from tests.migrations.conftest import MakeDatabase

REVISION = """
import migrations.steps as steps
from pathlib import Path
revision = "9999"
down_revision = {head!r}
def upgrade():
    steps.FROZEN = Path(__file__).parent
    try:
        steps.{step}({names})
    finally:
        steps.FROZEN = steps.HERE / "versions" / "sql"
"""


def with_revision(url: str, folder: Path, step: str, *statements: str) -> Config:
    """Return a configuration with one more revision.

    The new revision runs ``statements`` by calling ``migrations.steps.<step>``.
    """
    config = configuration(url)
    head = ScriptDirectory.from_config(config).get_current_head()
    names = [f"statement_{number}" for number in range(len(statements))]
    for name, statement in zip(names, statements, strict=True):
        (folder / f"{name}.sql").write_text(statement)
    (folder / "9999_next.py").write_text(REVISION.format(head=head, step=step, names=", ".join(map(repr, names))))
    config.set_main_option("version_locations", f"{HERE / 'versions'}{os.pathsep}{folder}")
    config.set_main_option("path_separator", "os")
    return config


def run(*arguments: str, url: str) -> subprocess.CompletedProcess[str]:
    environment = {name: text for name, text in os.environ.items() if not name.startswith("AIRFLOW")}
    return subprocess.run(
        [sys.executable, "-m", "migrations", *arguments],
        cwd=HERE.parent,
        env=environment | {"DATABASE_URL": url},
        capture_output=True,
        text=True,
        timeout=120,
    )


@contextmanager
def started(*targets: threading.Thread) -> Iterator[None]:
    for thread in targets:
        thread.start()
    try:
        yield
    finally:
        for thread in targets:
            thread.join(60)


def wait_until(condition: str, url: str) -> None:
    deadline = time.monotonic() + 30
    with psycopg.connect(url, autocommit=True, row_factory=scalar_row) as connection:
        while not connection.execute(f"SELECT {condition}").fetchone():
            assert time.monotonic() < deadline, condition
            time.sleep(0.05)


def test_two_concurrent_migrations_of_a_new_database_run_one_after_the_other(database_at: MakeDatabase) -> None:
    url = database_at(None)
    done: list[subprocess.CompletedProcess[str]] = []

    with started(*(threading.Thread(target=lambda: done.append(run("upgrade", url=url))) for _ in range(2))):
        pass

    assert [(one.returncode, one.stderr) for one in done] == [(0, ""), (0, "")]
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").rowcount == 1
    assert sorted("table_comments" in one.stdout for one in done) in ([False, False], [False, True])


@pytest.mark.drill
def test_a_concurrent_index_is_built_while_another_migration_waits(database_at: MakeDatabase, tmp_path: Path) -> None:
    """If the other migration waited in an SQL statement, the index build would wait for that statement forever."""
    url = database_at("head")
    config = with_revision(
        url,
        tmp_path,
        "run_sql_outside_transaction",
        "DROP INDEX CONCURRENTLY IF EXISTS leads_by_status",
        "CREATE INDEX CONCURRENTLY leads_by_status ON leads (status)",
    )
    index = threading.Thread(target=lambda: command.upgrade(config, "head"))
    other = threading.Thread(target=lambda: run("upgrade", url=url))
    with psycopg.connect(url) as busy:
        busy.execute("INSERT INTO leads (lead_type) VALUES ('probate')")  # The index build waits for this transaction.
        with started(index, other):
            waits = "EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE {} AND pid <> pg_backend_pid())"
            wait_until(waits.format("'CREATE INDEX CONCURRENTLY%' AND wait_event_type = 'Lock'"), url)
            wait_until(waits.format("'%pg_try_advisory_lock%' OR query = 'ROLLBACK'"), url)
            time.sleep(6)  # This is longer than the lock timeout of other statements.
            busy.commit()
    with psycopg.connect(url, row_factory=scalar_row) as connection:
        assert connection.execute(
            "SELECT indisvalid FROM pg_index WHERE indexrelid = 'leads_by_status'::regclass"
        ).fetchone()
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == "9999"


def test_a_revision_gives_up_waiting_for_a_lock_before_it_blocks_others_for_long(
    database_at: MakeDatabase, tmp_path: Path
) -> None:
    url = database_at("head")
    config = with_revision(url, tmp_path, "run_sql", "ALTER TABLE leads ADD COLUMN note text")
    with psycopg.connect(url) as busy:
        busy.execute("SELECT count(*) FROM leads")
        begin = time.monotonic()
        with pytest.raises(psycopg.errors.LockNotAvailable) as refused:
            command.upgrade(config, "head")
        assert time.monotonic() - begin < 15
    assert "another session held a lock on a table for too long" in explain(refused.value)
    assert "It is safe to run the command again" in explain(refused.value)
    command.upgrade(config, "head")
    with psycopg.connect(url) as connection:
        connection.execute("SELECT note FROM leads")


def test_a_statement_has_a_time_limit(database_at: MakeDatabase, tmp_path: Path) -> None:
    url = database_at("head")
    show = (
        "CREATE TABLE limits AS SELECT current_setting('statement_timeout') AS a, current_setting('lock_timeout') AS b"
    )
    command.upgrade(with_revision(url, tmp_path, "run_sql", show), "head")
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT * FROM limits").fetchall() == [("10min", "5s")]


def test_a_revision_reapplies_what_it_had_to_drop(database_at: MakeDatabase, tmp_path: Path) -> None:
    url = database_at("head")
    drop = "DROP VIEW delivery_recipients; ALTER TABLE users ALTER COLUMN first_name TYPE varchar(200);"
    command.upgrade(with_revision(url, tmp_path, "run_sql", drop), "head")
    with psycopg.connect(url) as connection:
        connection.execute("SELECT first_name FROM delivery_recipients")


def test_a_failing_revision_leaves_the_database_at_the_previous_revision(
    database_at: MakeDatabase, tmp_path: Path
) -> None:
    url = database_at("0004")
    head = ScriptDirectory.from_config(configuration(url)).get_current_head()
    config = with_revision(url, tmp_path, "run_sql", "CREATE TABLE half (id int); SELECT no_such_function();")
    with pytest.raises(psycopg.errors.UndefinedFunction):
        command.upgrade(config, "head")
    with psycopg.connect(url, row_factory=scalar_row) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == head
        assert connection.execute("SELECT to_regclass('half')").fetchone() is None


def test_the_command_upgrades_says_what_it_applied_and_is_safe_to_repeat(database_at: MakeDatabase) -> None:
    url = database_at(None)
    first, second = run("upgrade", url=url), run("upgrade", url=url)
    assert (first.returncode, second.returncode) == (0, 0), first.stderr
    assert "reference/street_words.csv: 183 rows written, 0 removed" in first.stdout
    assert "repeatable/token_ledger.sql: applied" in first.stdout
    assert second.stdout == ""


def test_an_unreachable_server_is_named_with_the_remedy() -> None:
    done = run("upgrade", url="postgresql://leads@127.0.0.1:9/leads")
    assert done.returncode == 1
    assert "cannot reach the database at DATABASE_URL" in done.stderr
    assert "Start it, or correct DATABASE_URL" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_database_of_a_newer_version_is_named_with_the_remedy(database_at: MakeDatabase) -> None:
    url = database_at("0001")
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9998'")
    with pytest.raises(CommandError) as refused:
        command.upgrade(configuration(url), "head")
    assert "'9998'" in explain(refused.value)
    assert "a newer version of this project migrated the database" in explain(refused.value)


def test_without_an_address_the_message_says_what_to_set() -> None:
    with pytest.raises(SystemExit, match="DATABASE_URL is not set: give the leads database as postgresql://"):
        configuration("")
