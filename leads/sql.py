"""The loader of ``.sql`` files. Each file is in the ``sql/`` folder of the package that runs it."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from psycopg import sql


@cache
def statement(path: str) -> str:
    """Return the text of one file: ``notifier/deliveries/claim`` is ``notifier/deliveries/sql/claim.sql``.

    Raises FileNotFoundError when there is no such file.
    """
    package, _, name = path.rpartition("/")
    return (files(package.replace("/", ".")) / "sql" / f"{name}.sql").read_text("utf-8")


def statement_with(path: str, **parts: str) -> sql.Composed:
    """Return ``statement(path)`` with its ``{names}`` filled in with trusted SQL, such as the columns of a rule."""
    return sql.SQL(statement(path)).format(**{part: sql.SQL(text) for part, text in parts.items()})
