"""The page Actions: who did what, when, on what and why; and the progress of actions on many rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, HTTPException, Request, Response
from psycopg.rows import DictRow

from operations.pages import database
from operations.pages.access import User, actor_name
from operations.pages.actions import done_response
from operations.pages.filter_values import begin_of, day, text
from operations.pages.filters import optional_id
from operations.pages.local_times import spoken_time
from operations.pages.rendering import render

router = APIRouter()

PAGE = 50
SHOWN_IDS = 1_000
#: The type of an action's object → its names, and the path of its pages.
OBJECTS = {
    "delivery": ("delivery", "deliveries", "deliveries"),
    "dead_letter": ("dead letter", "dead letters", "dead-letters"),
    "subscriber": ("subscriber", "subscribers", "subscribers"),
    "queue": ("queue", "queues", None),
    "unmatched_record": ("unmatched record", "unmatched records", "unmatched"),
    "address_decision": ("decision", "decisions", None),
    "street_alias": ("street alias", "street aliases", None),
    "dag_run": ("run", "runs", None),
}
ACTIONS = (
    "retry", "send_now", "defer", "cancel", "dismiss", "pause", "resume", "reveal",
    "accept", "reject", "add_alias", "undo", "make_leads",
)  # fmt: skip


@router.get("/actions")
def action_list(request: Request) -> Response:
    """List operators' actions, newest first."""
    given = request.query_params
    before, since = optional_id("before", given.get("before")), day(given, "since")
    wanted = {"actor": text(given, "actor"), "action": text(given, "action")}
    with database.read() as connection:
        found = database.rows(connection, "actions", **wanted, before=before, since=begin_of(since), limit=PAGE + 1)
        is_alive = _worker_is_alive(connection)
    shown = [_with_object(row) for row in found[:PAGE]]
    return render(
        request,
        "actions.html",
        actions=shown,
        wanted={**wanted, "since": since},
        before=before,
        older=shown[-1]["id"] if len(found) > PAGE else None,
        known=ACTIONS,
        waits=not is_alive and any(row["state"] == "running" for row in shown),
    )


@router.get("/actions/{action_id:int}")
def action(request: Request, action_id: int) -> Response:
    """Show one action: its progress, what was refused and why, and its rows."""
    with database.read() as connection:
        found = database.rows(connection, "action", id=_in_range(action_id), limit=SHOWN_IDS)
        is_alive = _worker_is_alive(connection)
    if not found:
        raise HTTPException(404, f"There is no action {action_id}.")
    row = _with_object(found[0])
    refusals = sorted(row["refusals"].items(), key=lambda pair: -int(pair[1]))
    waits = not is_alive and row["state"] == "running"
    return render(request, "action.html", action=row, refusals=refusals, waits=waits)


@router.post("/actions/{action_id:int}/stop")
def stop(action_id: int, user: User) -> Response:
    """Stop a running action after the rows that are being worked on."""
    with database.write() as connection:
        connection.execute("SET LOCAL lock_timeout = '4s'")
        stopped = database.rows(connection, "stop_action", id=_in_range(action_id), actor=actor_name(user))
    if not stopped[0]["stopped"]:
        raise HTTPException(409, "The action has ended already, so there is nothing to stop.")
    return done_response("Stopped. The rows that were not reached stay as they are.")


def _worker_is_alive(connection: database.Connection) -> bool:
    return bool(database.rows(connection, "worker_is_alive")[0]["is_alive"])


def _with_object(row: DictRow) -> dict[str, Any]:
    """Return an action's row with the words and the link for what it was done on."""
    one, many, path = OBJECTS.get(row["object_type"], (row["object_type"].replace("_", " "),) * 2 + (None,))
    return {
        **row,
        "label": row["action"].replace("_", " "),
        "object": row["parameters"].get("queue") or _name(row, one, many),
        "path": path,
        "link": _link(row, path),
        "until": spoken_time(until) if (until := row["parameters"].get("not_before")) else None,
    }


def _name(row: DictRow, one: str, many: str) -> str:
    if row["rows"] == 1 and row["first_ids"]:
        return f"{one} {row['first_ids'][0]}"
    return f"{row['rows']:,} {one if row['rows'] == 1 else many}"


def _link(row: DictRow, path: str | None) -> str | None:
    """Return the path of the page that shows what an action was done on; None for the action's own page."""
    parameters: Mapping[str, Any] = row["parameters"]
    if "queue" in parameters:
        return f"#{parameters['queue']}"
    if path and row["rows"] == 1 and row["first_ids"]:
        return f"{path}/{row['first_ids'][0]}"
    if path and parameters.get("filter"):
        # The action may have changed the states, so the link shows the rows in any state.
        fields = {name: value for name, value in parse_qsl(parameters["filter"]) if name != "state"}
        return f"{path}?{urlencode(fields | ({'state': 'all'} if path == 'dead-letters' else {}))}"
    return None


def _in_range(number: int) -> int:
    if not 0 < number < 2**63:
        raise HTTPException(404, "There is no such action.")
    return number
