from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from tests.operations.mailbox import Mailbox, running_mailbox
from tests.services import Database


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Mailbox]:
    """A real SMTP server that on-call is told through."""
    with running_mailbox() as box:
        monkeypatch.setenv("ONCALL_URLS", box.url())
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        yield box


@dataclass
class Rows:
    """Writes rows with what a test does not care about filled in; returns their ids."""

    database: Database

    def insert(self, table: str, **values: Any) -> int:
        columns, marks = ", ".join(values), ", ".join(f"%({name})s" for name in values)
        row = self.database.connection.execute(
            f"INSERT INTO {table} ({columns}) VALUES ({marks}) RETURNING id",
            {name: Jsonb(value) if isinstance(value, dict) else value for name, value in values.items()},
        ).fetchone()
        return int(row[0])

    def user(self, **values: Any) -> int:
        preferences = values.pop("email_preferences", {})
        defaults = {"email": "a@example.com", "subscription_status": "active", "token_balance": 100}
        return self.insert("users", email_preferences=preferences, **defaults | values)

    def lead(self, **values: Any) -> int:
        return self.insert("leads", **{"lead_type": "foreclosure", "lead_date": "2026-01-01"} | values)

    def one(self, query: str, **parameters: Any) -> Any:
        row = self.database.connection.execute(query, parameters).fetchone()
        return row[0] if row is not None and len(row) == 1 else row

    def all(self, query: str, **parameters: Any) -> list[Any]:
        found = self.database.connection.execute(query, parameters).fetchall()
        return [row[0] if len(row) == 1 else row for row in found]


@pytest.fixture
def rows(database: Database, monkeypatch: pytest.MonkeyPatch) -> Rows:
    """A leads database of the test's own, which is also what ``DATABASE_URL`` names."""
    monkeypatch.setenv("DATABASE_URL", database.url)
    return Rows(database)
