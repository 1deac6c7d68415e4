"""``python -m migrations upgrade`` brings the leads database at ``DATABASE_URL`` to the newest schema."""

from __future__ import annotations

import argparse
import sys

from alembic import command
from sqlalchemy.exc import OperationalError

from migrations import configuration


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m migrations", description=__doc__)
    parser.add_argument("action", choices=["upgrade", "current", "history"], help="upgrade is safe to repeat")
    action = parser.parse_args().action
    try:
        config = configuration()
        if action == "upgrade":
            command.upgrade(config, "head")
        else:
            getattr(command, action)(config)
    except OperationalError as error:
        print(
            f"migrations: cannot reach the database at DATABASE_URL: {error.orig}\n"
            "Start it, or correct DATABASE_URL, and run this again; nothing was changed.",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
