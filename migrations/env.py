"""Alembic's environment: one connection, one transaction, one migration at a time."""

from __future__ import annotations

from alembic import context
from sqlalchemy import create_engine, pool, text

engine = create_engine(context.config.attributes["url"], poolclass=pool.NullPool)
with engine.begin() as connection:
    # Two hosts may deploy at once; the second waits here and then finds nothing to do.
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('leads:migrations'))"))
    context.configure(connection=connection)
    context.run_migrations()
