"""The leads database: its schema, its reference data, and the SQL functions that the batch side and the notifier share.

``versions/`` changes tables, ``reference/`` fills the reference tables, and ``repeatable/`` creates functions, views,
triggers and comments. README.md explains how to change these files.
"""

from __future__ import annotations

import os
from pathlib import Path

from alembic.config import Config

HERE = Path(__file__).parent


class MigrationError(RuntimeError):
    """Raised when a migration cannot continue; the message names the cause and the remedy."""


def configuration(url: str | None = None) -> Config:
    """Return Alembic's configuration for ``url``, a ``postgresql://`` URL; the default is ``DATABASE_URL``.

    Raises SystemExit with the remedy when no URL is given.
    """
    url = url or os.environ.get("DATABASE_URL", "")
    if not url:
        raise SystemExit("DATABASE_URL is not set: give the leads database as postgresql://user:password@host/name")
    config = Config()
    config.set_main_option("script_location", str(HERE))
    # Migrations always use the driver that this project installs, even if the URL names another driver.
    config.attributes["url"] = "postgresql+psycopg://" + url.partition("://")[2]
    return config
