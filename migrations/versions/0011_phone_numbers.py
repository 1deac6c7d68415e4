"""Rewrite the stored phone numbers in E.164, and log the rows whose number cannot be read."""

from __future__ import annotations

import logging
import re
from typing import Any

import phonenumbers
import psycopg

from migrations.steps import driver_connection

revision = "0011"
down_revision = "0010"

WRITTEN = r"^\+[1-9][0-9]{7,14}$"
#: The columns with phone numbers, and the rows of the table that have one.
COLUMNS = (
    ("users", "phone_number", "true"),
    ("users", "twilio_phone_number", "true"),
    ("leads", "phone_number", "true"),
    ("call_consents", "phone_number", "true"),
    ("suppressions", "address", "channel <> 'email'"),
)
IDS_LOGGED = 50
#: Two spellings of one number become one row. START lifts the reasons in the list, so another reason takes precedence.
MERGE_SUPPRESSIONS = """
    INSERT INTO suppressions AS s (channel, address, reason, created_at)
    SELECT DISTINCT ON (o.channel, n.new) o.channel, n.new, o.reason, o.created_at
    FROM suppressions o
    JOIN unnest(%(old)s::text[], %(new)s::text[]) AS n (old, new) ON n.old = o.address
    WHERE o.channel <> 'email'
    ORDER BY o.channel, n.new, coalesce(o.reason, '') IN ('stop', 'provider code 21610'), o.id
    ON CONFLICT (channel, address) DO UPDATE SET reason = excluded.reason
        WHERE s.reason IN ('stop', 'provider code 21610')
"""

log = logging.getLogger("migrations")


def upgrade() -> None:
    connection = driver_connection()
    for table, column, condition in COLUMNS:
        _rewrite(connection, table, column, condition)


def _rewrite(connection: psycopg.Connection[Any], table: str, column: str, condition: str) -> None:
    found = connection.execute(
        f"SELECT DISTINCT {column} FROM {table} WHERE {condition} AND {column} !~ %s",  # noqa: S608  # our own names
        [WRITTEN],
    ).fetchall()
    numbers = {text: number for (text,) in found if (number := _e164(text))}
    parameters = {"old": list(numbers), "new": list(numbers.values()), "written": WRITTEN}
    if table == "suppressions":
        connection.execute(MERGE_SUPPRESSIONS, parameters)
        statement = "DELETE FROM suppressions WHERE channel <> 'email' AND address = ANY (%(old)s)"
    else:
        statement = (
            f"UPDATE {table} t SET {column} = n.new"  # noqa: S608  # our own names
            f" FROM unnest(%(old)s::text[], %(new)s::text[]) AS n (old, new) WHERE t.{column} = n.old"
        )
    rewritten = connection.execute(statement, parameters).rowcount
    unread = connection.execute(
        f"SELECT array_agg(id ORDER BY id) FROM {table}"  # noqa: S608  # our own names
        f" WHERE {condition} AND {column} !~ %(written)s",
        parameters,
    ).fetchone()
    _report(f"{table}.{column}", rewritten, (unread and unread[0]) or [])


def _report(column: str, rewritten: int, unread: list[int]) -> None:
    """Log how many rows were rewritten, and the ids of the rows that nothing will be sent to."""
    if rewritten:
        log.info("%s: %d rows rewritten in E.164", column, rewritten)
    if unread:
        ids = ", ".join(map(str, unread[:IDS_LOGGED])) + (", …" if len(unread) > IDS_LOGGED else "")
        log.warning(
            "%s: %d rows hold no phone number that can be read, so nothing is sent there; correct the rows with id %s",
            column, len(unread), ids,
        )  # fmt: skip


def _e164(text: str) -> str | None:
    """Return the number in E.164; None for letters, extensions, and lengths that the country does not have."""
    if re.search(r"[^\W\d_]", text):
        return None
    try:
        number = phonenumbers.parse(text, "US")
    except phonenumbers.NumberParseException:
        return None
    written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    is_american = re.fullmatch(r"\+1[2-9][0-9]{2}[2-9][0-9]{6}", written) is not None
    is_foreign = number.country_code != 1 and phonenumbers.is_possible_number(number)
    return written if is_american or is_foreign else None
