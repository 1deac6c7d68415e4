"""The page Dead letters: the causes, the dead letters that match a filter, and one dead letter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlencode

from fastapi import APIRouter, HTTPException, Request, Response

from county.feeds import FEEDS
from operations.pages import database
from operations.pages.action_kinds import kinds_for
from operations.pages.dead_letter_filter import QUEUES, STATES, DeadLetterFilter
from operations.pages.dead_letter_search import MOST_GROUPS, DeadLetterGroup, find_dead_letters, group_dead_letters
from operations.pages.filters import optional_id
from operations.pages.rendering import render

router = APIRouter()

#: More causes are behind a button.
SHOWN_GROUPS = 12
TABS = (("Open", "open"), ("Replayed", "replayed"), ("Dismissed", "dismissed"), ("All", "all"))


@router.get("/dead-letters")
def dead_letters(request: Request) -> Response:
    """List the causes of the dead letters that match the filter, and the dead letters, newest first."""
    given = request.query_params
    wanted = read_filter(given)
    before, after = optional_id("before", given.get("before")), optional_id("after", given.get("after"))
    with database.read() as connection:
        groups = group_dead_letters(connection, wanted)
        page = find_dead_letters(connection, wanted, before=before, after=after)
        runs = _runs(connection, [row.id for row in page.rows])
    total = sum(group.letters for group in groups)
    links = [page_query(_narrowed(wanted, one)) for one in groups]
    return render(
        request,
        "dead_letters.html",
        groups=list(zip(groups, links, strict=True)),
        shown_groups=SHOWN_GROUPS,
        queues=QUEUES,
        page=page,
        runs=runs,
        wanted=wanted,
        is_narrow=replace(wanted, states=()) != DeadLetterFilter(),
        filter_query=wanted.to_query(),
        view=page_query(wanted),
        position={"before": before, "after": after},
        total=total,
        total_text=f"{total:,}" if len(groups) < MOST_GROUPS else f"more than {total:,}",
        tabs=[(name, page_query(wanted, state), state == _tab(wanted)) for name, state in TABS],
        state=_tab(wanted),
    )


@router.get("/dead-letters/{letter_id:int}")
def dead_letter(request: Request, letter_id: int) -> Response:
    """Show one dead letter."""
    if not 0 < letter_id < 2**63:
        raise HTTPException(404, "There is no such dead letter.")
    with database.read() as connection:
        found = database.rows(connection, "dead_letter", id=letter_id)
        run = _runs(connection, [letter_id]).get(letter_id)
    if not found:
        raise HTTPException(404, f"There is no dead letter {letter_id}.")
    letter = found[0]
    actions = [
        kind
        for kind in kinds_for("dead_letter", letter["state"])
        if kind.action != "retry" or letter["delivery_id"] is not None
    ]
    return render(request, "dead_letter.html", letter=letter, run=run, actions=actions)


def read_filter(given: Mapping[str, str]) -> DeadLetterFilter:
    """Read the filter of an address: open dead letters unless it names a state.

    ``job`` and ``cause`` are other names of ``kind`` and ``code``.
    """
    values = dict(given)
    if values.get("state") == "all":
        values["state"] = ""
    elif not values.get("state"):
        values["state"] = "open"
    values["kind"] = values.get("kind") or values.get("job", "")
    values["code"] = values.get("code") or values.get("cause", "")
    return DeadLetterFilter.parse(values)


def page_query(wanted: DeadLetterFilter, state: str | None = None) -> str:
    """Return the query string of the page that shows a filter, with other states if ``state`` is given."""
    state = state or _tab(wanted)
    rest = replace(wanted, states=()).to_query()
    shown = urlencode({"state": state}, safe=",") if state != "open" else ""
    return "&".join(part for part in (rest, shown) if part)


def _narrowed(wanted: DeadLetterFilter, group: DeadLetterGroup) -> DeadLetterFilter:
    """Return the filter that finds the dead letters of a group."""
    queue = group.queue if group.queue in QUEUES else wanted.queue
    return replace(wanted, queue=queue, kind=group.job, code=group.cause)


def _tab(wanted: DeadLetterFilter) -> str:
    return ",".join(wanted.states) if wanted.states and wanted.states != STATES else "all"


def _runs(connection: database.Connection, ids: list[int]) -> dict[int, int]:
    """Return the ids of the ingestion runs that dead letters belong to, by the dead letters' ids."""
    names = {"dag_ids": [feed.dag_id for feed in FEEDS], "types": [feed.ingestion_type for feed in FEEDS]}
    return {row["id"]: row["run"] for row in database.rows(connection, "dead_letter_runs", ids=ids, **names)}
