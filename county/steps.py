"""When each step of a run began and ended (``ingestion_steps``), for the operators' page about the run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from leads.sql import statement


@contextmanager
def timed_step(connection: psycopg.Connection, ingestion_id: int, step: str) -> Iterator[None]:
    """Record when the block began and, if it raised no error, when it ended. A repeated step is recorded anew."""
    start_step(connection, ingestion_id, step)
    yield
    end_step(connection, ingestion_id, step)


def start_step(connection: psycopg.Connection, ingestion_id: int, step: str, *, resume: bool = False) -> None:
    """Record that a step begins now. If ``resume`` is true, a step that has not ended keeps its beginning."""
    parameters = {"ingestion_id": ingestion_id, "step": step, "resume": resume}
    connection.execute(statement("county/start_step"), parameters)


def end_step(connection: psycopg.Connection, ingestion_id: int, step: str) -> None:
    """Record that a step ends now."""
    connection.execute(
        "UPDATE ingestion_steps SET ended_at = clock_timestamp() WHERE ingestion_id = %s AND step = %s",
        (ingestion_id, step),
    )
