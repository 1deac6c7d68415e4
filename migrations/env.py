"""Alembic's environment: runs each revision in its own transaction, then applies reference data and repeatable files.

Only one migration runs at a time. A statement that waits too long for a lock fails, so that it does not block other
sessions.
"""

from __future__ import annotations

import time
from typing import Any

import psycopg
from alembic import context
from sqlalchemy import Connection, create_engine, pool, text

from migrations.repeatables import apply_repeatables, run_pending_calls

LOCK_TIMEOUT = "5s"
STATEMENT_TIMEOUT = "10min"
"""For one statement. A revision that builds an index CONCURRENTLY on a big table may set its own."""


def run() -> None:
    """Upgrade the database, then apply the repeatable files and reference data."""
    engine = create_engine(context.config.attributes["url"], poolclass=pool.NullPool)
    with engine.connect() as connection:
        destination = _destination()
        if destination is None:
            _run_revisions(connection)
            return
        _wait_for_other_migrations(connection)
        connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
        connection.execute(text(f"SET statement_timeout = '{STATEMENT_TIMEOUT}'"))
        connection.commit()
        before, after = _run_revisions(connection)
        if after == destination == context.get_head_revision():
            _apply_files(connection, everything=before != after)


def _destination() -> Any:
    """Return the revision to upgrade to, or None for commands that change nothing, such as ``current``."""
    try:
        return context.get_revision_argument()
    except KeyError:
        return None


def _wait_for_other_migrations(connection: Connection) -> None:
    # Several hosts may migrate at once. Poll for the lock instead of waiting inside PostgreSQL: a waiting statement
    # would hold a snapshot, and CREATE INDEX CONCURRENTLY in the other migration would wait for that snapshot.
    # PostgreSQL releases the lock when the connection closes.
    while not connection.scalar(text("SELECT pg_try_advisory_lock(hashtext('leads:migrations'))")):
        connection.rollback()
        time.sleep(0.2)
    connection.commit()


def _run_revisions(connection: Connection) -> tuple[str | None, str | None]:
    """Run the command that Alembic was given; return the database's revisions before and after it."""
    context.configure(connection=connection, transaction_per_migration=True)
    before = context.get_context().get_current_revision()
    connection.rollback()
    with context.begin_transaction():
        context.run_migrations()
    after = context.get_context().get_current_revision()
    connection.rollback()
    return before, after


def _apply_files(connection: Connection, *, everything: bool) -> None:
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    with driver.transaction():
        apply_repeatables(driver, everything=everything)
    driver.autocommit = True
    driver.execute("RESET statement_timeout")
    run_pending_calls(driver)


run()
