"""Repeatable files: functions, views, triggers and comments that are applied again when they change.

The first lines of ``repeatable/<name>.sql`` may be header comments:

- ``requires: a, b``: files ``a`` and ``b`` are applied before this file, and this file is applied again after them;
- ``data: t``: the file uses the reference table ``t``, so a changed ``reference/t.csv`` counts as a change to the file;
- ``afterwards: CALL p()``: a statement that recalculates stored values. When the file or a required file has changed,
  the statement runs in its own transaction after the migration has committed.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import psycopg

from migrations import HERE, MigrationError
from migrations.reference_data import REFERENCE, load_reference, reference_files

REPEATABLE = HERE / "repeatable"

log = logging.getLogger("migrations")


@dataclass(frozen=True)
class RepeatableFile:
    """A file in ``repeatable/``, with the files that it requires and the statement to run afterwards."""

    name: str
    text: str
    checksum: str
    requires: tuple[str, ...]
    afterwards: str | None

    @property
    def path(self) -> str:
        """Return the file's path below the folder ``migrations``."""
        return f"repeatable/{self.name}.sql"


def read_repeatables(folder: Path = REPEATABLE, reference: Path = REFERENCE) -> list[RepeatableFile]:
    """Return the files in the order in which to apply them: each file after the files that it requires.

    Raises MigrationError when a file requires a missing file, or when files require each other in a cycle.
    """
    files = {path.stem: _read(path, reference) for path in sorted(folder.glob("*.sql"))}
    for file in files.values():
        for name in file.requires:
            if name not in files:
                raise MigrationError(f"{file.path} requires {name}, but there is no repeatable/{name}.sql")
    try:
        order = list(TopologicalSorter({name: file.requires for name, file in files.items()}).static_order())
    except CycleError as error:
        raise MigrationError(f"repeatable files require each other: {', '.join(error.args[1])}") from error
    return [files[name] for name in order]


def apply_repeatables(
    connection: psycopg.Connection[Any],
    *,
    everything: bool,
    folder: Path = REPEATABLE,
    reference: Path = REFERENCE,
) -> list[str]:
    """Load changed reference data and apply changed repeatable files; return the names of the files.

    If ``everything`` is true, apply all repeatable files. The caller commits, and then calls ``run_pending_calls``.
    """
    recorded: dict[str, str] = dict(connection.execute("SELECT name, checksum FROM schema_repeatables").fetchall())
    applied: list[tuple[str, str, str | None]] = []
    for path in reference_files(reference):
        name, checksum = f"reference/{path.name}", _checksum(path.read_bytes())
        if everything or recorded.get(name) != checksum:
            load_reference(connection, path)
            applied.append((name, checksum, None))
    files = read_repeatables(folder, reference)
    changed = _changed(files, recorded)
    for file in files:
        if everything or file.name in changed:
            _apply(connection, file)
            applied.append((file.path, file.checksum, file.afterwards if file.name in changed else None))
    _record(connection, applied)
    return [name for name, _, _ in applied]


def run_pending_calls(connection: psycopg.Connection[Any]) -> None:
    """Run the ``afterwards`` statements, including those that an interrupted migration did not run.

    ``connection`` is in autocommit mode, because a procedure may commit its batches.
    """
    pending = connection.execute("SELECT name, pending_call FROM schema_repeatables WHERE pending_call IS NOT NULL")
    for name, statement in pending.fetchall():
        log.info("%s: %s", name, statement)
        connection.execute(statement)
        connection.execute("UPDATE schema_repeatables SET pending_call = NULL WHERE name = %s", [name])


def _read(path: Path, reference: Path) -> RepeatableFile:
    content = path.read_bytes()
    text = content.decode("utf-8")
    header = dict(re.findall(r"^-- (requires|data|afterwards): (.+)$", text.partition("\n\n")[0], re.MULTILINE))
    data = [(reference / f"{table}.csv").read_bytes() for table in _names(header.get("data"))]
    return RepeatableFile(
        path.stem, text, _checksum(content, *data), _names(header.get("requires")), header.get("afterwards")
    )


def _names(value: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in value.split(",")) if value else ()


def _checksum(*contents: bytes) -> str:
    return hashlib.sha256(b"\0".join(contents)).hexdigest()


def _changed(files: Iterable[RepeatableFile], recorded: dict[str, str]) -> set[str]:
    """Return the names of files whose checksum changed, and of the files that require them."""
    changed: set[str] = set()
    for file in files:
        if recorded.get(file.path) != file.checksum or changed.intersection(file.requires):
            changed.add(file.name)
    return changed


def _apply(connection: psycopg.Connection[Any], file: RepeatableFile) -> None:
    try:
        connection.execute(file.text.encode())
    except psycopg.errors.LockNotAvailable:
        raise
    except psycopg.Error as error:
        raise MigrationError(f"{file.path} cannot be applied: {error}") from error
    log.info("%s: applied", file.path)


def _record(connection: psycopg.Connection[Any], applied: list[tuple[str, str, str | None]]) -> None:
    names, checksums, calls = zip(*applied, strict=True) if applied else ((), (), ())
    connection.execute(
        "INSERT INTO schema_repeatables AS s (name, checksum, pending_call)"
        " SELECT * FROM unnest(%s::text[], %s::text[], %s::text[])"
        " ON CONFLICT (name) DO UPDATE SET checksum = excluded.checksum, applied_at = now(),"
        " pending_call = coalesce(excluded.pending_call, s.pending_call)",
        [list(names), list(checksums), list(calls)],
    )
