"""The pages of dead letters: their causes, the letters, and one letter with its error."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request, Response

from operations.pages import database
from operations.pages.dead_letter_filter import QUEUES, STATES, DeadLetterFilter
from operations.pages.dead_letter_search import find_dead_letters, group_dead_letters
from operations.pages.filters import optional_id
from operations.pages.rendering import render

router = APIRouter()


@router.get("/dead-letters")
def dead_letters(request: Request) -> Response:
    """List dead letters by cause and one by one. Without a state in the address, only open ones are listed."""
    given = dict(request.query_params)
    wanted = DeadLetterFilter.parse({"state": "open", **given})
    before, after = (optional_id(name, given.get(name)) for name in ("before", "after"))
    with database.read() as connection:
        groups = group_dead_letters(connection, wanted)
        page = find_dead_letters(connection, wanted, before=before, after=after)
    return render(
        request,
        "dead_letters.html",
        wanted=wanted,
        given=given,
        groups=groups,
        page=page,
        total=sum(group.letters for group in groups),
        filter_query=wanted.to_query(),
        queues=QUEUES,
        states=STATES,
        position={"before": before, "after": after},
    )


@router.get("/dead-letters/{letter_id}")
def dead_letter(request: Request, letter_id: int) -> Response:
    """Show one dead letter."""
    with database.read() as connection:
        found = database.rows(connection, "dead_letter", id=letter_id) if 0 < letter_id < 2**63 else []
    if not found:
        raise HTTPException(404, f"There is no dead letter {letter_id}.")
    return render(request, "dead_letter.html", letter=found[0])
