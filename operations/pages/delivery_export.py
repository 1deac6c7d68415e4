"""Writes the deliveries of a filter as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import datetime

from leads.clock import NEW_YORK
from operations.pages.delivery_filter import DeliveryFilter
from operations.pages.delivery_search import Delivery, all_deliveries
from operations.pages.delivery_source import AnyConnection
from operations.pages.masks import mask_email, mask_recipient

COLUMNS = (
    "id",
    "kind",
    "channel",
    "queue",
    "state",
    "code",
    "subscriber_id",
    "subscriber_email",
    "lead_id",
    "folio",
    "attempts",
    "not_before",
    "due_at",
    "created_at",
    "updated_at",
    "recipient",
    "provider_id",
)


def export_deliveries(connection: AnyConnection, wanted: DeliveryFilter) -> Iterator[bytes]:
    """Yield the lines of a CSV file with all deliveries of a filter, the newest first. Addresses are masked.

    Reads the deliveries step by step, so that a file of any size needs little memory. The connection is in use until
    the last part was read.
    """
    yield _lines([COLUMNS])
    for rows in all_deliveries(connection, wanted):
        yield _lines(_cells(row) for row in rows)


def safe_cell(value: object) -> str:
    """Return a value as the text of a cell that no spreadsheet takes for a formula. Times are in New York."""
    if isinstance(value, datetime):
        value = value.astimezone(NEW_YORK).isoformat(timespec="seconds")
    text = "" if value is None else str(value)
    return "'" + text if text.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else text


def _cells(row: Delivery) -> Iterable[object]:
    masked = {"subscriber_email": mask_email(row.subscriber_email), "recipient": mask_recipient(row.recipient)}
    return (masked.get(column, getattr(row, column)) for column in COLUMNS)


def _lines(rows: Iterable[Iterable[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([safe_cell(value) for value in row] for row in rows)
    return text.getvalue().encode()
