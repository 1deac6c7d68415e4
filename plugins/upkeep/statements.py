"""The SQL files of this package."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from psycopg import sql


@cache
def statement(name: str) -> str:
    """The text of ``sql/<name>.sql``."""
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text("utf-8")


def statement_for(name: str, **parts: str) -> sql.Composed:
    """``sql/<name>.sql`` with its ``{names}`` filled in by trusted SQL, as the entries of a table of rules give it."""
    return sql.SQL(statement(name)).format(**{part: sql.SQL(text) for part, text in parts.items()})
