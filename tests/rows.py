"""Helpers that tests use to write rows with sensible defaults and to read single values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from psycopg.types.json import Jsonb

from tests.servers.postgres import Database


@dataclass
class Rows:
    """Writes rows and returns their ids. Any column that the test does not name gets a default value."""

    database: Database

    def insert(self, table: str, **values: Any) -> int:
        columns, marks = ", ".join(values), ", ".join(f"%({name})s" for name in values)
        row = self.database.connection.execute(
            f"INSERT INTO {table} ({columns}) VALUES ({marks}) RETURNING id",
            {name: Jsonb(value) if isinstance(value, dict) else value for name, value in values.items()},
        ).fetchone()
        assert row is not None
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
