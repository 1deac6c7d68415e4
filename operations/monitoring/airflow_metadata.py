"""Cleans Airflow's own database. A task cannot open Airflow's database directly, so it runs Airflow's command."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from leads.logs import get_logger
from leads.redaction import redact

log = get_logger(__name__)

#: Environment variables that keep a task from using Airflow's database; the command runs without these variables.
_BLOCKED = ("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__CORE__SQL_ALCHEMY_CONN", "_AIRFLOW_PROCESS_CONTEXT")


class CleanFailed(RuntimeError):
    """The command ``airflow db clean`` failed."""


def clean_airflow(url: str, *, before: datetime, dry_run: bool) -> None:
    """Run ``airflow db clean`` on the database at ``url`` (SQLAlchemy's form) for rows older than ``before``.

    The rows are not copied to archive tables. Raises CleanFailed with the end of the command's output.
    """
    command = [str(Path(sys.executable).with_name("airflow")), "db", "clean", "--yes", "--skip-archive"]
    command += ["--error-on-cleanup-failure", "--clean-before-timestamp", before.isoformat(), "--batch-size", "10000"]
    if dry_run:
        command.append("--dry-run")
    environment = {name: value for name, value in os.environ.items() if name not in _BLOCKED}
    environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = url
    result = subprocess.run(
        command, check=False, capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL
    )
    log.info("airflow_database_cleaned", output=redact(result.stdout[-4000:]))
    if result.returncode:
        raise CleanFailed(f"airflow db clean failed: {redact((result.stderr or result.stdout)[-1000:])}")


def address(connection: Any) -> str:
    """Return SQLAlchemy's URL for an Airflow connection to PostgreSQL; the host may be a socket's folder."""
    from sqlalchemy.engine import URL

    query = {name: str(value) for name, value in connection.extra_dejson.items()}
    host = connection.host or None
    if host and host.startswith("/"):
        query["host"], host = host, None
    url = URL.create(
        "postgresql+psycopg2",
        connection.login or None,
        connection.password or None,
        host,
        connection.port,
        connection.schema or None,
        query,
    )
    return url.render_as_string(hide_password=False)
