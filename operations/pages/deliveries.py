"""The page Deliveries: a list with filters, and the same list as CSV."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from threading import BoundedSemaphore

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from leads.clock import local_day, now
from operations.monitoring.queue_metrics import QUEUES
from operations.pages import database
from operations.pages.delivery_export import export_deliveries
from operations.pages.delivery_filter import STATES, DeliveryFilter
from operations.pages.delivery_search import Count, Page, find_and_count, find_deliveries
from operations.pages.filters import optional_id
from operations.pages.rendering import render

router = APIRouter()

#: The queues that send deliveries.
DELIVERY_QUEUES = tuple(queue for queue in QUEUES if queue not in ("api-property-lookup", "admin-alerts"))
#: Longer lists are not counted.
MOST_COUNTED = 1_000
#: The times that the field "waiting longer than" offers.
WAITS = {"1m": "1 minute", "10m": "10 minutes", "1h": "1 hour", "6h": "6 hours", "1d": "1 day", "3d": "3 days"}
#: The tabs: the name of each and the states that it shows, in the filter's order.
TABS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("All", ()),
    ("Waiting", ("queued", "unknown", "sending")),
    ("Problems", ("parked", "undelivered", "failed", "dead")),
    ("Not sent", ("skipped", "suppressed", "expired", "cancelled")),
    ("Sent", ("accepted", "sent", "delivered")),
)

#: An export keeps a connection for as long as the browser loads it, so at most this many run at once.
_exports = BoundedSemaphore(2)


@router.get("/deliveries")
def deliveries(request: Request) -> Response:
    """List the deliveries that match the filter, newest first."""
    given = request.query_params
    wanted = DeliveryFilter.parse(given)
    before, after = optional_id("before", given.get("before")), optional_id("after", given.get("after"))
    # A refresh replaces only the rows, so it does not need the number of deliveries.
    is_refresh = "hx-request" in request.headers
    with database.read() as connection:
        page, count = _read(connection, wanted, before, after, is_counted=not is_refresh)
        errors = _errors(connection, page)
        kinds = {row["kind"]: row["kind"] for row in database.rows(connection, "delivery_kinds")}
    query = wanted.to_query()
    return render(
        request,
        "deliveries.html",
        page=page,
        errors=errors,
        wanted=wanted,
        given=given,
        filter_query=query,
        total=count.rows if count and count.is_exact else None,
        total_text=_total_text(count) if count else "",
        position={"before": before, "after": after},
        queues={queue: queue for queue in DELIVERY_QUEUES},
        kinds=kinds,
        states={state: state for state in STATES},
        waits=WAITS,
        tabs=[
            (name, replace(wanted, states=states, when=None).to_query(), states == wanted.states)
            for name, states in TABS
        ],
    )


def _read(
    connection: database.Connection, wanted: DeliveryFilter, before: int | None, after: int | None, *, is_counted: bool
) -> tuple[Page, Count | None]:
    if not is_counted:
        return find_deliveries(connection, wanted, before=before, after=after), None
    return find_and_count(connection, wanted, before=before, after=after, at_most=MOST_COUNTED + 1)


@router.get("/deliveries.csv")
def deliveries_csv(request: Request) -> Response:
    """Return all deliveries that match the filter as CSV, with masked addresses."""
    wanted = DeliveryFilter.parse(request.query_params)
    if not _exports.acquire(blocking=False):
        raise HTTPException(503, "Two exports are running already. Try again when one of them has ended.")
    headers = {"Content-Disposition": f'attachment; filename="deliveries-{local_day(now())}.csv"'}
    return _Export(_export(wanted), media_type="text/csv; charset=utf-8", headers=headers)


class _Export(StreamingResponse):
    """Streams an export, and lets the next export begin when this one ends, even if nothing of it was read."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            _exports.release()


def _export(wanted: DeliveryFilter) -> Iterator[bytes]:
    with database.read() as connection:
        # A browser that stops reading must not keep a transaction open.
        connection.execute("SET LOCAL idle_in_transaction_session_timeout = '1min'")
        yield from export_deliveries(connection, wanted)


def _errors(connection: database.Connection, page: Page) -> dict[int, str]:
    """Return the error messages of a page's deliveries by the deliveries' ids."""
    found = database.rows(connection, "delivery_errors", ids=[row.id for row in page.rows if row.code])
    return {row["id"]: row["error"] for row in found}


def _total_text(count: Count) -> str:
    if count.rows > MOST_COUNTED:
        return f"more than {MOST_COUNTED:,}"
    return f"{count.rows:,}" if count.is_exact else f"at least {count.rows:,}"
