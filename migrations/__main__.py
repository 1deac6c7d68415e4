"""``python -m migrations upgrade`` brings the leads database at ``DATABASE_URL`` to the latest schema.

``current`` and ``history`` show revisions. ``snapshot`` writes the schema of the database to ``migrations/schema.sql``.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable

import psycopg
from alembic import command
from alembic.util import CommandError
from sqlalchemy.exc import DBAPIError

from migrations import HERE, MigrationError, configuration
from migrations.snapshot import take_snapshot

AGAIN = "The steps that this run finished are kept. It is safe to run the command again."


def main() -> int:
    """Run one command; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m migrations", description=__doc__)
    parser.add_argument("action", choices=list(ACTIONS), help="upgrade is safe to repeat")
    action = parser.parse_args().action
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        ACTIONS[action]()
    except (MigrationError, CommandError, psycopg.Error, DBAPIError) as error:
        print(f"migrations: {explain(error)}", file=sys.stderr)
        return 1
    return 0


def explain(error: Exception) -> str:
    """Return the cause of a failed migration and its remedy."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    match cause:
        case psycopg.errors.LockNotAvailable():
            return f"another session held a lock on a table for too long: {cause}\nWait until it ends. {AGAIN}"
        case psycopg.errors.QueryCanceled():
            return f"a statement took too long: {cause}\nWait until the database is less busy. {AGAIN}"
        case psycopg.OperationalError():
            return f"cannot reach the database at DATABASE_URL: {cause}\nStart it, or correct DATABASE_URL. {AGAIN}"
        case CommandError():
            return (
                f"{cause}\nIf the revision is not in migrations/versions, a newer version of this project migrated the"
                " database: deploy that version or a later one."
            )
        case MigrationError():
            return f"{cause}\nThis run did not change the reference data or the functions."
        case _:
            return f"the database refused a statement: {cause}\nCorrect the revision. {AGAIN}"


def _upgrade() -> None:
    command.upgrade(configuration(), "head")


def _snapshot() -> None:
    path = HERE / "schema.sql"
    path.write_text(take_snapshot(configuration().attributes["url"].replace("postgresql+psycopg", "postgresql", 1)))
    print(f"wrote {path}")


ACTIONS: dict[str, Callable[[], object]] = {
    "upgrade": _upgrade,
    "current": lambda: command.current(configuration()),
    "history": lambda: command.history(configuration()),
    "snapshot": _snapshot,
}


if __name__ == "__main__":
    sys.exit(main())
