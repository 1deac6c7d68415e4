"""Pausing and resuming a queue."""

from __future__ import annotations

from typing import Annotated

import psycopg
from fastapi import APIRouter, Form, HTTPException, Request, Response

from operations.monitoring.queue_metrics import QUEUES
from operations.pages import database
from operations.pages.access import User, actor_name
from operations.pages.actions import notice
from operations.pages.rendering import render
from operations.pages.reveal import Reason

router = APIRouter()


@router.get("/queues/{queue}/pause")
def ask_pause(request: Request, queue: str) -> Response:
    """Ask why a queue shall be paused."""
    return render(request, "pause_dialog.html", queue=_known(queue), pause=True)


@router.get("/queues/{queue}/resume")
def ask_resume(request: Request, queue: str) -> Response:
    """Ask why a queue shall be resumed."""
    return render(request, "pause_dialog.html", queue=_known(queue), pause=False)


@router.post("/queues/{queue}/pause")
def pause(queue: str, user: User, reason: Annotated[str, Form()] = "") -> Response:
    """Pause a queue, wherever its workers run."""
    if not _change("pause_queue", queue, actor_name(user), Reason.of(reason)):
        raise HTTPException(409, f"{queue} is already paused.")
    return notice(f"{queue} is paused.")


@router.post("/queues/{queue}/resume")
def resume(queue: str, user: User, reason: Annotated[str, Form()] = "") -> Response:
    """Resume a paused queue."""
    if not _change("resume_queue", queue, actor_name(user), Reason.of(reason)):
        raise HTTPException(409, f"{queue} is not paused.")
    return notice(f"{queue} is resumed.")


def _change(name: str, queue: str, actor: str, reason: Reason) -> bool:
    try:
        with database.write() as connection:
            found = database.rows(connection, name, queue=_known(queue), actor=actor, reason=str(reason))
    except psycopg.errors.InvalidParameterValue as error:
        raise HTTPException(409, f"Refused: {error.diag.message_primary}.") from error
    return bool(found[0]["changed"])


def _known(queue: str) -> str:
    if queue not in QUEUES:
        raise HTTPException(404, "There is no such queue.")
    return queue
