"""Archives old rows as compressed JSON lines, reads them back, and only then removes the rows.

A batch begins as a row in ``cleanup_batches`` that lists the ids of its rows. If a run is killed, the next run finishes
the open batch first. If the batch's object already exists, the object is read but not written again. The rows are
removed and the batch is closed in one transaction. A row is removed only if the object contains it and the row has not
changed since.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO, Any, cast

import psycopg

from county.archive import Archive
from county.errors import NotArchived, PermanentIngestionError
from leads.logs import get_logger
from leads.sql import statement_with
from operations.retention.rules import Rule

log = get_logger(__name__)

#: The id is the first column of every table, so a regular expression finds it. Parsing whole lines as JSON would take
#: longer than the rest of the clean-up.
_ID = re.compile(rb'\{"id":(\d+),')


class ArchiveDiffers(PermanentIngestionError):
    """An archived object differs from the content that was written; no row was removed."""


@dataclass
class Contents:
    """The contents of an object of JSON lines: the ids of the rows, each line's MD5, and one SHA-256 over all lines."""

    ids: list[int] = field(default_factory=list)
    hashes: list[str] = field(default_factory=list)
    checksum: str = ""


def archive_next(
    connection: psycopg.Connection, archive: Archive, rule: Rule, *, before: datetime, limit: int
) -> int | None:
    """Archive and remove the next batch of at most ``limit`` rows.

    Return how many rows were removed, or None if no row is due. Raises ArchiveDiffers or one of the archive's errors;
    in both cases the batch stays open.
    """
    batch = _open_batch(connection, rule, before, limit)
    if batch is None:
        return None
    batch_id, row_ids, created_at = batch
    name = f"logs/{rule.name}/{created_at.astimezone(UTC):%Y-%m-%d}/{batch_id:09d}.jsonl.gz"
    written = _write(connection, archive, rule, name, row_ids)
    found = _read(archive, name)
    if written is not None and (len(found.ids), found.checksum) != written:
        raise ArchiveDiffers(
            f"{name} does not hold the {written[0]} rows that were written: read back, it has {len(found.ids)}. "
            "Nothing was removed. Move the object away and clear the task: the batch is written again."
        )
    connection.execute(
        "UPDATE cleanup_batches SET object_name = %s, rows = %s, checksum = %s, archived_at = now() WHERE id = %s",
        (name, len(found.ids), found.checksum, batch_id),
    )
    return _remove(connection, rule, batch_id, found)


def _open_batch(
    connection: psycopg.Connection, rule: Rule, before: datetime, limit: int
) -> tuple[int, list[int], datetime] | None:
    query = "SELECT id, row_ids, created_at FROM cleanup_batches WHERE rule = %s AND removed_at IS NULL"
    row = connection.execute(query, (rule.name,)).fetchone()
    if row is None:
        parts = {"table": rule.table, "age": rule.age, "condition": rule.condition}
        connection.execute(
            statement_with("operations/retention/open_batch", **parts),
            {"rule": rule.name, "before": before, "limit": limit},
        )
        row = connection.execute(query, (rule.name,)).fetchone()
    return row


def _write(
    connection: psycopg.Connection, archive: Archive, rule: Rule, name: str, row_ids: list[int]
) -> tuple[int, str] | None:
    """Archive the rows; return their count and checksum, or None if an earlier run has archived them."""
    if _is_there(archive, name):
        log.info("batch_already_archived", object_name=name)
        return None
    checksum = hashlib.sha256()
    count = 0
    with tempfile.TemporaryFile() as file:
        with gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=5, mtime=0) as lines:
            for line in _lines(connection, rule, row_ids):
                lines.write(line)
                checksum.update(line)
                count += 1
        file.flush()
        archive.put(name, cast(Any, file))
        expected = (file.tell(), archive.checksum(cast(Any, file)))
    if archive.facts(name) != expected:
        raise ArchiveDiffers(f"{name} has another size or checksum than the file that was sent. Nothing was removed.")
    return count, checksum.hexdigest()


def _is_there(archive: Archive, name: str) -> bool:
    try:
        archive.facts(name)
    except NotArchived:
        return False
    return True


def _lines(connection: psycopg.Connection, rule: Rule, row_ids: list[int]) -> Iterator[bytes]:
    assert rule.archived is not None
    query = statement_with("operations/retention/rows_to_archive", table=rule.table, archived=rule.archived)
    with connection.cursor() as cursor:
        cursor.execute(query, {"ids": row_ids})
        for (line,) in cursor:
            yield line.encode() + b"\n"


def _read(archive: Archive, name: str) -> Contents:
    contents = Contents()
    checksum = hashlib.sha256()
    try:
        with archive.open(name) as stream, gzip.open(cast(IO[bytes], stream)) as lines:
            for line in lines:
                checksum.update(line)
                contents.ids.append(int(_ID.match(line)[1]))  # type: ignore[index]
                contents.hashes.append(hashlib.md5(line[:-1], usedforsecurity=False).hexdigest())
    except (EOFError, OSError, zlib.error, TypeError) as error:
        raise ArchiveDiffers(
            f"{name} is damaged ({error}). Nothing was removed. Move the object away and clear the task: the batch is "
            "written again."
        ) from error
    contents.checksum = checksum.hexdigest()
    return contents


def _remove(connection: psycopg.Connection, rule: Rule, batch_id: int, found: Contents) -> int:
    parts = {"archived": rule.archived or ""} | ({"table": rule.table} if rule.removal == "delete_archived" else {})
    with connection.transaction():
        removed = connection.execute(
            statement_with(f"operations/retention/{rule.removal}", **parts), {"ids": found.ids, "hashes": found.hashes}
        ).rowcount
        connection.execute(
            "UPDATE cleanup_batches SET row_ids = NULL, removed = %s, removed_at = now() WHERE id = %s",
            (removed, batch_id),
        )
    if removed < len(found.ids):
        log.info("changed_rows_kept", rule=rule.name, rows=len(found.ids) - removed)
    return removed
