"""Pausing and resuming a queue."""

from __future__ import annotations

from typing import Annotated

import psycopg
from fastapi import APIRouter, Form, HTTPException, Request, Response
from psycopg.rows import DictRow
from starlette.background import BackgroundTask

from operations.monitoring.queue_metrics import QUEUES
from operations.pages import database
from operations.pages.access import User, actor_name
from operations.pages.actions import done_response
from operations.pages.airflow_log import record_in_airflow
from operations.pages.rendering import render
from operations.pages.reveal import Reason

router = APIRouter()


@router.get("/queues/{name}/pause")
def ask_pause(request: Request, name: str) -> Response:
    """Say what pausing a queue means, and ask for the reason."""
    return render(request, "pause_dialog.html", queue=_known(name), state=_state(name), verb="pause")


@router.get("/queues/{name}/resume")
def ask_resume(request: Request, name: str) -> Response:
    """Say what resuming a queue means, and ask for the reason."""
    return render(request, "pause_dialog.html", queue=_known(name), state=_state(name), verb="resume")


@router.post("/queues/{name}/pause")
def pause(name: str, user: User, reason: Annotated[str, Form()] = "") -> Response:
    """Pause a queue."""
    return _act("pause", name, actor_name(user), Reason.of(reason))


@router.post("/queues/{name}/resume")
def resume(name: str, user: User, reason: Annotated[str, Form()] = "") -> Response:
    """Resume a queue."""
    return _act("resume", name, actor_name(user), Reason.of(reason))


def _act(verb: str, name: str, actor: str, why: Reason) -> Response:
    parameters = {"queue": _known(name), "actor": actor, "reason": str(why)}
    try:
        with database.write() as connection:
            changed = database.rows(connection, f"{verb}_queue", **parameters)[0]["changed"]
    except psycopg.errors.InvalidParameterValue as error:
        raise HTTPException(422, f"The database refused: {error.diag.message_primary}.") from error
    if not changed:
        raise HTTPException(409, f"{name} is {'already' if verb == 'pause' else 'not'} paused. Reload the page.")
    log = BackgroundTask(record_in_airflow, actor, verb, {"queue": name, "reason": why})
    return done_response(f"{name} is paused." if verb == "pause" else f"{name} works again.", log)


def _state(name: str) -> DictRow:
    with database.read() as connection:
        return database.rows(connection, "pause_state", queue=name)[0]


def _known(name: str) -> str:
    if name not in QUEUES:
        raise HTTPException(404, "There is no such queue.")
    if name == "admin-alerts":
        raise HTTPException(409, "admin-alerts cannot be paused, because on-call must stay reachable.")
    return name
