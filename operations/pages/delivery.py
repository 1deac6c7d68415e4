"""The page of one delivery: why it is where it is, what it is, what happened to it, and the message."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request, Response
from psycopg.rows import DictRow

from operations.pages import database
from operations.pages.access import User, actor_name
from operations.pages.delivery_story import CHANNEL_PROVIDERS, read_story
from operations.pages.rendering import render
from operations.pages.reveal import Reason, record_reveal

router = APIRouter()

#: The states of a delivery that will be sent to its subscriber's or its lead's current address.
NOT_YET_SENT = frozenset({"queued", "sending"})


@dataclass(frozen=True)
class Message:
    """What the page shows of a delivery's message, besides the delivery's row.

    ``destination`` is the address to which the delivery went, or else the address to which it would go now.
    """

    is_revealed: bool
    provider: str
    destination: str | None
    is_recorded: bool
    is_code: bool


@router.get("/deliveries/{delivery_id:int}")
def delivery(request: Request, delivery_id: int) -> Response:
    """Show one delivery."""
    with database.read() as connection:
        found = _find(connection, delivery_id)
        story = read_story(connection, found)
    return render(request, "delivery.html", delivery=found, story=story, message=_message(found, revealed=False))


@router.get("/deliveries/{delivery_id:int}/reveal")
def ask_reveal(request: Request, delivery_id: int) -> Response:
    """Ask for the reason to show a delivery's recipient and message."""
    target = f"deliveries/{_in_range(delivery_id)}/reveal"
    return render(request, "reveal_dialog.html", target=target, place="#message")


@router.post("/deliveries/{delivery_id:int}/reveal")
def reveal(request: Request, delivery_id: int, user: User, reason: Annotated[str, Form()]) -> Response:
    """Show a delivery's recipient and message, and record who looked and why."""
    why = Reason.of(reason)
    with database.write() as connection:
        found = _find(connection, delivery_id)
        record_reveal(connection, actor_name(user), "delivery", found["id"], why)
    return render(request, "delivery_message.html", delivery=found, message=_message(found, revealed=True))


def _message(found: DictRow, *, revealed: bool) -> Message:
    is_recorded = found["recipient"] is not None
    current = {"email": found["email"], "sms": found["phone_number"], "voice": found["lead_phone"]}
    will_go = found["state"] in NOT_YET_SENT and not is_recorded
    return Message(
        revealed,
        CHANNEL_PROVIDERS[found["channel"]],
        current[found["channel"]] if will_go else found["recipient"],
        is_recorded,
        found["kind"] == "verification_sms",
    )


def _find(connection: database.Connection, delivery_id: int) -> DictRow:
    found = database.rows(connection, "delivery", id=_in_range(delivery_id))
    if not found:
        raise HTTPException(404, f"There is no delivery {delivery_id}.")
    return found[0]


def _in_range(number: int) -> int:
    if not 0 < number < 2**63:
        raise HTTPException(404, "There is no such delivery.")
    return number
