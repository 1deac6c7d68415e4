"""The pages of subscribers: balance, ledger, deliveries, preferences, suppressions and consents."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request, Response
from psycopg.rows import DictRow

from operations.pages import database
from operations.pages.access import User, actor_name
from operations.pages.filters import BadFilter, optional_id
from operations.pages.rendering import render
from operations.pages.reveal import Reason, record_reveal

router = APIRouter()

PAGE = 50
STATUSES = ("active", "trialing", "past_due", "canceled")


@router.get("/subscribers")
def subscribers(request: Request) -> Response:
    """List subscribers, newest first."""
    given = request.query_params
    status = given.get("status") or None
    if status is not None and len(status) > 50:
        raise BadFilter("status is too long.")
    parameters = {
        "id": optional_id("id", given.get("id")),
        "before": optional_id("before", given.get("before")),
        "below": optional_id("below", given.get("below")),
        "status": status,
    }
    with database.read() as connection:
        found = database.rows(connection, "subscribers", **parameters, limit=PAGE + 1)
    return render(
        request,
        "subscribers.html",
        subscribers=found[:PAGE],
        filter=parameters | {"before": None},
        statuses=STATUSES,
        older=found[PAGE - 1]["id"] if len(found) > PAGE else None,
        is_first=parameters["before"] is None,
    )


@router.get("/subscribers/{subscriber_id}")
def subscriber(request: Request, subscriber_id: int) -> Response:
    """Show one subscriber."""
    before = optional_id("before", request.query_params.get("before"))
    with database.read() as connection:
        found = _find(connection, subscriber_id)
        ledger = database.rows(connection, "subscriber_ledger", id=found["id"], before=before, limit=PAGE + 1)
        contacts = database.rows(connection, "subscriber_contacts", id=found["id"])
        deliveries = database.rows(connection, "subscriber_deliveries", id=found["id"], limit=10)
    return render(
        request,
        "subscriber.html",
        subscriber=found,
        ledger=ledger[:PAGE],
        older=ledger[PAGE - 1]["id"] if len(ledger) > PAGE else None,
        before=before,
        suppressions=[one for one in contacts if one["what"] == "suppression"],
        consents=[one for one in contacts if one["what"] == "consent"],
        deliveries=deliveries,
    )


@router.get("/subscribers/{subscriber_id}/check")
def check(request: Request, subscriber_id: int) -> Response:
    """Compare a subscriber's balance with the ledger's entries."""
    with database.read() as connection:
        found = _find(connection, subscriber_id)
        result = database.rows(connection, "subscriber_check", id=found["id"])[0]
    return render(request, "subscriber_check.html", check=result)


@router.get("/subscribers/{subscriber_id}/reveal")
def ask_reveal(request: Request, subscriber_id: int) -> Response:
    """Ask for the reason to show a subscriber's addresses."""
    return render(
        request, "reveal_dialog.html", target=f"subscribers/{_in_range(subscriber_id)}/reveal", place="#contact"
    )


@router.post("/subscribers/{subscriber_id}/reveal")
def reveal(request: Request, subscriber_id: int, user: User, reason: Annotated[str, Form()]) -> Response:
    """Show a subscriber's name, e-mail address and phone numbers, and record who looked and why."""
    why = Reason.of(reason)
    with database.write() as connection:
        found = _find(connection, subscriber_id)
        record_reveal(connection, actor_name(user), "subscriber", found["id"], why)
    return render(request, "subscriber_contact.html", subscriber=found, revealed=True)


def _find(connection: database.Connection, subscriber_id: int) -> DictRow:
    found = database.rows(connection, "subscriber", id=_in_range(subscriber_id))
    if not found:
        raise HTTPException(404, f"There is no subscriber {subscriber_id}.")
    return found[0]


def _in_range(number: int) -> int:
    if not 0 < number < 2**63:
        raise HTTPException(404, "There is no such subscriber.")
    return number
