"""Operators' actions: the dialogs that start them, and the page with all actions and their reasons."""

from __future__ import annotations

import json
from datetime import date
from secrets import token_hex
from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request, Response
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from operations.pages import database
from operations.pages.access import User, actor_name
from operations.pages.action_requests import ActionRequest, new_york_time
from operations.pages.filter_values import begin_of, days, text
from operations.pages.filters import optional_id
from operations.pages.rendering import render
from operations.pages.reveal import Reason

router = APIRouter()

PAGE = 50
#: An action on at most this many rows ends before its page answers. The notifier works on larger ones.
AT_ONCE = 100
KINDS = (
    "accept",
    "add_alias",
    "cancel",
    "defer",
    "dismiss",
    "pause",
    "reject",
    "resume",
    "retry",
    "reveal",
    "send_now",
    "undo",
)


@router.get("/actions")
def actions(request: Request) -> Response:
    """List what operators did, newest first."""
    given = request.query_params
    since, until = days(given)
    wanted = {"actor": text(given, "actor"), "action": text(given, "action")}
    parameters = {
        **wanted,
        "since": begin_of(since),
        "until": begin_of(until),
        "before": optional_id("before", given.get("before")),
    }
    with database.read() as connection:
        found = database.rows(connection, "actions", **parameters, limit=PAGE + 1)
        workers = _workers(connection)
    return render(
        request,
        "actions.html",
        actions=found[:PAGE],
        filter={**wanted, "since": _iso(since), "until": _iso(until)},
        kinds=KINDS,
        older=found[PAGE - 1]["id"] if len(found) > PAGE else None,
        before=parameters["before"],
        workers=workers,
    )


@router.get("/actions/new")
def ask(request: Request) -> Response:
    """Say how many rows an action would change, and ask for the reason."""
    wanted = ActionRequest.parse(request.query_params)
    ids = wanted.find_ids()
    if not ids:
        raise HTTPException(422, "No row is selected.")
    return render(
        request,
        "action_dialog.html",
        wanted=wanted,
        rows=wanted.rows(len(ids)),
        count=len(ids),
        ids=",".join(map(str, ids)) if wanted.filter is None else "",
        newest_id=max(ids),
        in_background=len(ids) > AT_ONCE,
        key=token_hex(16),
    )


@router.post("/actions")
def start(
    request: Request,
    user: User,
    reason: Annotated[str, Form()] = "",
    action: Annotated[str, Form()] = "",
    type: Annotated[str, Form()] = "",
    ids: Annotated[str, Form()] = "",
    filter: Annotated[str | None, Form()] = None,
    newest_id: Annotated[str, Form()] = "",
    not_before: Annotated[str, Form()] = "",
    key: Annotated[str, Form(max_length=64)] = "",
) -> Response:
    """Start an action. A form that is sent twice starts one action."""
    given = {"action": action, "type": type, "ids": ids, "newest_id": newest_id}
    wanted = ActionRequest.parse(given | ({} if filter is None else {"filter": filter}))
    why = Reason.of(reason)
    until = {"not_before": new_york_time(not_before).isoformat()} if action == "defer" else {}
    chosen = wanted.find_ids()
    if not chosen:
        raise HTTPException(422, "No row is selected.")
    parameters = until | ({} if filter is None else {"filter": filter})
    with database.write() as connection:
        started = database.rows(
            connection,
            "start_action",
            actor=actor_name(user),
            action=action,
            type=type,
            ids=chosen,
            reason=str(why),
            parameters=Jsonb(parameters),
            key=key or None,
        )[0]["id"]
        result = database.rows(
            connection, "continue_action", id=started, batch=AT_ONCE if len(chosen) <= AT_ONCE else 0
        )
    return _done(request, wanted, result[0])


@router.get("/actions/{action_id}")
def show(request: Request, action_id: int) -> Response:
    """Show one action: its progress, what was refused and why, and its rows."""
    with database.read() as connection:
        found = _find(connection, action_id)
        workers = _workers(connection)
    return render(request, "action.html", action=found, workers=workers)


@router.get("/actions/{action_id}/stop")
def ask_stop(request: Request, action_id: int) -> Response:
    """Ask whether an action shall be stopped."""
    with database.read() as connection:
        found = _find(connection, action_id)
    return render(request, "stop_dialog.html", action=found)


@router.post("/actions/{action_id}/stop")
def stop(action_id: int, user: User) -> Response:
    """Stop a running action after its current batch."""
    with database.write() as connection:
        found = _find(connection, action_id)
        stopped = database.rows(connection, "stop_action", id=found["id"], actor=actor_name(user))[0]["is_stopped"]
    if not stopped:
        raise HTTPException(409, "The action has already ended.")
    return notice("The action is stopped.")


def notice(message: str) -> Response:
    """Return the answer of an action that is done: the page closes the dialog, shows the message and refreshes."""
    return Response(status_code=204, headers={"HX-Trigger": json.dumps({"operations:done": message})})


def _done(request: Request, wanted: ActionRequest, action: DictRow) -> Response:
    if action["state"] == "running":
        target = f"{request.scope['root_path']}/actions/{action['id']}"
        return Response(status_code=204, headers={"HX-Redirect": target})
    message = f"{wanted.rows(action['changed'])} {wanted.declaration.done}."
    refused = [f"{count:,} refused: {why}" for why, count in action["refusals"].items()]
    return notice(" ".join([message, *(f"{one}." for one in refused[:3])]))


def _find(connection: database.Connection, action_id: int) -> DictRow:
    found = database.rows(connection, "action", id=action_id) if 0 < action_id < 2**63 else []
    if not found:
        raise HTTPException(404, f"There is no action {action_id}.")
    return found[0]


def _workers(connection: database.Connection) -> int:
    return int(database.rows(connection, "workers")[0]["workers"])


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day else None
