"""Operators' actions on deliveries and dead letters: a dialog that says what will happen, and the action itself."""

from __future__ import annotations

import json
from secrets import token_urlsafe
from typing import Annotated
from urllib.parse import parse_qsl, urlencode

import psycopg
from fastapi import APIRouter, Depends, HTTPException, Request, Response
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb
from starlette.background import BackgroundTask

from leads.clock import NEW_YORK, now
from leads.redaction import mask_personal_data
from operations.pages import database
from operations.pages.access import User, actor_name
from operations.pages.action_kinds import ActionKind
from operations.pages.action_request import ActionRequest, Targets, find_targets
from operations.pages.airflow_log import record_in_airflow
from operations.pages.filter_values import is_id
from operations.pages.filters import BadFilter
from operations.pages.local_times import parse_local_time, spoken_time
from operations.pages.rendering import render
from operations.pages.reveal import Reason

router = APIRouter()

#: An action on at most this many rows is finished before the browser gets its answer.
AT_ONCE = 100
LONGEST_KEY = 100
_BUSY = (psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled, psycopg.errors.DeadlockDetected)


async def _read_fields(request: Request) -> dict[str, str]:
    return {name: value for name, value in (await request.form()).items() if isinstance(value, str)}


Fields = Annotated[dict[str, str], Depends(_read_fields)]


@router.get("/actions/new")
def new_action(request: Request) -> Response:
    """Say what an action would do, and ask for the reason."""
    wanted = ActionRequest.parse(request.query_params)
    with database.read() as connection:
        targets = find_targets(connection, wanted)
        is_alive = database.rows(connection, "worker_is_alive")[0]["is_alive"]
    return render(
        request,
        "action_dialog.html",
        kind=wanted.kind,
        targets=targets,
        ids=",".join(map(str, wanted.ids)),
        filter_query=wanted.filter_query,
        is_filter=wanted.wanted is not None,
        described=wanted.describe(),
        states=wanted.wanted.states if wanted.wanted else (),
        key=token_urlsafe(16),
        is_background=len(targets.ids) > AT_ONCE,
        is_alive=is_alive,
        earliest=now().astimezone(NEW_YORK),
    )


@router.post("/actions")
def start(request: Request, user: User, fields: Fields) -> Response:
    """Start the action of a dialog. Sending the same dialog twice starts one action."""
    wanted, why = ActionRequest.parse(fields), Reason.of(fields.get("reason", ""))
    parameters = _parameters(wanted, fields)
    key = f"{actor_name(user)}:{_key(fields)}"
    with database.read() as connection:
        known = database.rows(connection, "action_by_key", key=key)
        targets = None if known else _confirmed(find_targets(connection, wanted, _number(fields, "newest")), fields)
    if targets is None:
        return _answer(request, wanted.kind, known[0], parameters)
    action_id = _start(actor_name(user), wanted.kind, targets, why, parameters, key)
    row = _continue(action_id, key)
    log = BackgroundTask(record_in_airflow, actor_name(user), wanted.kind.action, {"action": action_id, "reason": why})
    return _answer(request, wanted.kind, row, parameters, log)


def done_response(said: str, background: BackgroundTask | None = None) -> Response:
    """Return the answer after an action: the page closes its dialog, shows ``said`` and refreshes."""
    trigger = json.dumps({"operations:done": said})
    return Response(status_code=204, headers={"HX-Trigger": trigger}, background=background)


def _confirmed(targets: Targets, fields: dict[str, str]) -> Targets:
    """Return the targets. Raises HTTPException (409) if there are none, or more than the operator has confirmed."""
    if not targets.ids:
        raise HTTPException(409, "Nothing is left to change. Someone else may have acted on the same rows.")
    expected = _number(fields, "expected")
    if len(targets.ids) > expected:
        raise HTTPException(
            409, f"{len(targets.ids):,} rows match now, not {expected:,}. Close this dialog, open it again and confirm."
        )
    return targets


def _start(actor: str, kind: ActionKind, targets: Targets, why: Reason, parameters: dict[str, str], key: str) -> int:
    try:
        with database.write() as connection:
            started = database.rows(
                connection,
                "start_action",
                actor=actor,
                action=kind.action,
                object_type=kind.object_type,
                ids=targets.ids,
                reason=str(why),
                parameters=Jsonb(parameters),
                key=key,
            )
    except psycopg.errors.InvalidParameterValue as error:
        raise HTTPException(422, f"The database refused: {error.diag.message_primary}.") from error
    return int(started[0]["id"])


def _continue(action_id: int, key: str) -> DictRow:
    """Finish a short action. The leader continues a long one, and one whose rows other sessions have locked."""
    with database.read() as connection:
        row = database.rows(connection, "action_by_key", key=key)[0]
    if row["rows"] > AT_ONCE or row["state"] != "running":
        return row
    try:
        with database.write() as connection:
            connection.execute("SET LOCAL lock_timeout = '2s'")
            return database.rows(connection, "continue_action", id=action_id, limit=AT_ONCE)[0]
    except _BUSY:
        return row


def _parameters(wanted: ActionRequest, fields: dict[str, str]) -> dict[str, str]:
    """Return what the action's row keeps besides its ids. The filter may contain personal data, so it is masked."""
    fields_of_filter = {name: mask_personal_data(value) for name, value in parse_qsl(wanted.filter_query)}
    parameters = {"filter": urlencode(fields_of_filter, safe=",@:")} if wanted.wanted else {}
    if wanted.kind.action == "defer":
        parameters["not_before"] = parse_local_time(fields.get("until", "")).isoformat()
    return parameters


def _key(fields: dict[str, str]) -> str:
    key = fields.get("key", "")
    if not key or len(key) > LONGEST_KEY or not key.isascii() or not key.isprintable():
        raise BadFilter("The dialog is incomplete. Close it and open it again.")
    return key


def _number(fields: dict[str, str], name: str) -> int:
    if not is_id(fields.get(name, "")):
        raise BadFilter("The dialog is incomplete. Close it and open it again.")
    return int(fields[name])


def _answer(
    request: Request,
    kind: ActionKind,
    row: DictRow,
    parameters: dict[str, str],
    background: BackgroundTask | None = None,
) -> Response:
    """Return the answer to a form. If the action still runs, the browser goes to the action's page."""
    if row["state"] == "running":
        address = f"{request.scope['root_path']}/actions/{row['id']}"
        return Response(status_code=204, headers={"HX-Redirect": address}, background=background)
    return done_response(_said(kind, row, parameters), background)


def _said(kind: ActionKind, row: DictRow, parameters: dict[str, str]) -> str:
    """Return what happened, for the notice."""
    until = f" until {spoken_time(parameters['not_before'])}" if "not_before" in parameters else ""
    said = f"{kind.past} {kind.objects(row['changed'])}{until}."
    reasons = "; ".join(f"{count:,} × {reason}" for reason, count in row["refusals"].items())
    return f"{said} Refused: {reasons}." if reasons else said
