"""Add subscribers and known properties to an empty system."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from migrations import HERE

SUBSCRIBERS = 60
with (HERE / "reference" / "lead_types.csv").open(encoding="utf-8", newline="") as _rows:
    LEAD_TYPES = tuple(row["lead_type"] for row in csv.DictReader(_rows))
CITIES = ("Miami", "Hialeah", "Coral Gables", "Miami Beach", "Homestead", "Miami Gardens", "Doral", "Aventura")
FIRST_NAMES = ("Ana", "Luis", "María", "Jorge", "Carmen", "David", "Grace", "Peter", "Yolanda", "Sam")
LAST_NAMES = ("García", "Pérez", "Nuñez", "Smith", "Baptiste", "O'Neill", "Cohen", "Williams", "Delgado", "Lee")
BALANCES = (5_000, 2_500, 1_200, 800, 12, 3, 0)
"""Token balances. The day's alerts use up the small ones."""

PLANS = ("basic", "pro", "enterprise")
STATUSES = ("active", "active", "active", "active", "trialing", "active", "active", "active", "active", "canceled")


def has_subscribers(url: str) -> bool:
    """Return whether the database contains any subscribers."""
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT 1 FROM users LIMIT 1").fetchone() is not None


def load(url: str, parcels: Path) -> None:
    """Add the demo's subscribers, and add the parcels in a CSV file as known properties.

    The file's header names the columns. Rows whose folio or e-mail address already exists are left unchanged, so the
    call is safe to repeat.
    """
    with psycopg.connect(url) as connection:
        for subscriber, criteria in subscribers():
            _add_subscriber(connection, subscriber, criteria)
        _add_properties(connection, parcels)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ANALYZE properties")


def subscribers() -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Yield a ``users`` row and the ``subscriber_lead_criteria`` rows for each of the demo's subscribers.

    Every call yields the same subscribers.
    """
    chance = random.Random(7)
    for number in range(SUBSCRIBERS):
        first, last = FIRST_NAMES[number % 10], LAST_NAMES[(number * 7 + number // 10) % 10]
        status = STATUSES[number % len(STATUSES)]
        subscriber = {
            "email": f"subscriber{number:02d}@example.com",
            "first_name": first,
            "last_name": last,
            "phone_number": f"+1305555{1000 + number}",
            "subscription_type": PLANS[number % len(PLANS)],
            "subscription_status": status,
            "trial_ends_at": datetime.now(UTC) + timedelta(days=10) if status == "trialing" else None,
            "token_balance": BALANCES[number % len(BALANCES)],
            "email_preferences": json.dumps({"digest_time": f"{6 + number % 5:02d}:30"}),
        }
        yield subscriber, [_criteria(number, chance)]


def _criteria(number: int, chance: random.Random) -> dict[str, Any]:
    channels = (["email"], ["email", "sms"], ["sms"])[number % 3]
    types = chance.sample(LEAD_TYPES, 1 + number % 3)
    if not {"new_homeowner", "foreclosure"} & set(types):  # The daily files create only leads of these two types.
        types.append(("new_homeowner", "foreclosure")[number % 2])
    return {
        "lead_types": types,
        "cities": [] if number % 6 == 0 else chance.sample(CITIES, 1 + number % 4),
        "min_score": (0, 50, 86, 90)[number % 4],
        "channels": channels,
    }


def _add_subscriber(connection: psycopg.Connection, subscriber: dict[str, Any], criteria: list[dict[str, Any]]) -> None:
    found = connection.execute("SELECT 1 FROM users WHERE email = %s", [subscriber["email"]]).fetchone()
    if found:
        return
    row = _insert(connection, "users", subscriber, "RETURNING id").fetchone()
    assert row is not None
    for wanted in criteria:
        _insert(connection, "subscriber_lead_criteria", {"subscriber_id": row[0], **wanted})


def _insert(
    connection: psycopg.Connection, table: str, row: dict[str, Any], returning: str = ""
) -> psycopg.Cursor[Any]:
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({}) {}").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, row)),
        sql.SQL(", ").join(sql.Placeholder() for _ in row),
        sql.SQL(returning),
    )
    return connection.execute(statement, list(row.values()))


def _add_properties(connection: psycopg.Connection, parcels: Path) -> None:
    with parcels.open(encoding="utf-8", newline="") as file:
        columns = sql.SQL(", ").join(map(sql.Identifier, next(csv.reader(file))))
    draft = sql.SQL("CREATE TEMP TABLE parcels ON COMMIT DROP AS SELECT {} FROM properties WITH NO DATA")
    connection.execute(draft.format(columns))
    copy_statement = sql.SQL("COPY parcels ({}) FROM STDIN (FORMAT csv, HEADER)").format(columns)
    with parcels.open("rb") as source, connection.cursor().copy(copy_statement) as copy:
        while block := source.read(1 << 20):
            copy.write(block)
    connection.execute(
        sql.SQL("INSERT INTO properties ({0}) SELECT {0} FROM parcels ON CONFLICT (folio_number) DO NOTHING").format(
            columns
        )
    )
