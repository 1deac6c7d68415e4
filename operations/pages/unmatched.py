"""The review of records whose address matches no property, and of the decisions that operators made."""

from __future__ import annotations

from typing import Annotated

import psycopg
from fastapi import APIRouter, Form, HTTPException, Request, Response
from psycopg.rows import DictRow

from county.feeds import ADDRESS_REVIEW, DAILY, MONTHLY, WEEKLY
from operations.pages import database
from operations.pages.access import User, actor_name
from operations.pages.actions import done_response
from operations.pages.airflow_runs import trigger
from operations.pages.filter_values import one_of, text
from operations.pages.filters import optional_id
from operations.pages.rendering import query, render
from operations.pages.reveal import Reason

router = APIRouter()

PAGE = 50
FEED_NAMES = (DAILY.name, WEEKLY.name, MONTHLY.name)
#: The dialogs of a record: what each decides, and how that is explained.
DIALOGS = {
    "accept": "The record, and every later record with the same address, belongs to this parcel.",
    "reject": "No parcel is right. This address is not matched and not offered for review again.",
    "alias": "The street as written is another name for a street of the roll, for every record from now on.",
}
#: SQLSTATE of the functions' errors → HTTP status.
_STATUSES = {"P0002": 404, "55000": 409, "55P03": 409, "22023": 422}


@router.get("/unmatched")
def unmatched(request: Request) -> Response:
    """List the records that wait for a decision, newest first."""
    wanted = _filter(request)
    before = optional_id("before", request.query_params.get("before"))
    with database.read() as connection:
        reasons = database.rows(connection, "unmatched_reasons", feed=wanted["feed"])
        found = database.rows(connection, "unmatched", **wanted, before=before, limit=PAGE + 1)
    return render(
        request,
        "unmatched.html",
        records=found[:PAGE],
        filter=wanted,
        feeds=FEED_NAMES,
        reasons=reasons,
        older=found[PAGE - 1]["id"] if len(found) > PAGE else None,
        before=before,
    )


@router.get("/unmatched/decisions")
def decisions(request: Request) -> Response:
    """List the decisions that hold, and the street aliases that operators added."""
    before = optional_id("before", request.query_params.get("before"))
    with database.read() as connection:
        found = database.rows(connection, "address_decisions", before=before, limit=PAGE + 1)
        aliases = database.rows(connection, "operator_aliases")
    return render(
        request,
        "decisions.html",
        decisions=found[:PAGE],
        aliases=aliases,
        older=found[PAGE - 1]["id"] if len(found) > PAGE else None,
        before=before,
    )


@router.get("/unmatched/undo")
def ask_undo(request: Request) -> Response:
    """Ask why a decision or an alias shall be undone."""
    given = dict(request.query_params)
    decision = optional_id("decision", given.get("decision"))
    return render(
        request, "undo_dialog.html", decision=decision, alias=text(given, "alias"), street=text(given, "street")
    )


@router.post("/unmatched/undo")
def undo(
    user: User,
    reason: Annotated[str, Form()] = "",
    decision: Annotated[str, Form()] = "",
    alias: Annotated[str, Form()] = "",
    street: Annotated[str, Form()] = "",
) -> Response:
    """Undo a decision, or an alias that an operator added. The records wait for the next run again."""
    decision_id = optional_id("decision", decision)
    name = "undo_alias" if decision_id is None else "undo_decision"
    released = _decide(name, user, reason, decision=decision_id, alias=alias, street=street)
    return done_response(f"Undone. {released} matched records wait for the next run again.")


@router.get("/unmatched/run")
def ask_run(request: Request) -> Response:
    """Ask for which feed the waiting records shall be matched now."""
    return render(request, "review_run_dialog.html", feeds=FEED_NAMES)


@router.post("/unmatched/run")
def run(
    request: Request, user: User, feed: Annotated[str, Form()] = "", reason: Annotated[str, Form()] = ""
) -> Response:
    """Start Airflow's DAG that matches the waiting records again and makes their leads; show its runs."""
    wanted = one_of({"feed": feed}, "feed", FEED_NAMES)
    why = Reason.of(reason)
    with database.write() as connection:
        # Record the action first, so that no run starts while the leads database is away.
        noted = {"actor": actor_name(user), "reason": str(why), "feed": wanted}
        (action,) = database.rows(connection, "record_review_run", **noted)
        run_id = trigger(ADDRESS_REVIEW.dag_id, user, {"feed": wanted})
        database.rows(connection, "record_run_id", id=action["id"], run_id=run_id)
    target = f"{request.scope['root_path']}/ingestion?feed={ADDRESS_REVIEW.dag_id}"
    return Response(status_code=204, headers={"HX-Redirect": target})


@router.get("/unmatched/{record_id}")
def record(request: Request, record_id: int) -> Response:
    """Show one record beside the parcels that it may belong to."""
    with database.read() as connection:
        found = _find(connection, record_id)
        candidates = database.rows(connection, "review_candidates", id=found["id"])
        following = _next(connection, request, found["id"])
    return render(
        request,
        "unmatched_record.html",
        record=found,
        candidates=candidates,
        next_id=following,
        filter=_filter(request),
    )


@router.get("/unmatched/{record_id}/{choice}")
def ask(request: Request, record_id: int, choice: str) -> Response:
    """Ask for the reason of a decision about a record."""
    if choice not in DIALOGS:
        raise HTTPException(404, "There is no such decision.")
    with database.read() as connection:
        found = _find(connection, record_id)
        streets = database.rows(connection, "alias_streets", id=found["id"]) if choice == "alias" else []
    return render(
        request,
        "review_dialog.html",
        record=found,
        choice=choice,
        explanation=DIALOGS[choice],
        folio=text(request.query_params, "folio"),
        filter=_filter(request),
        streets=[row["street"] for row in streets],
    )


@router.post("/unmatched/{record_id}/{choice}")
def decide(
    request: Request,
    record_id: int,
    choice: str,
    user: User,
    reason: Annotated[str, Form()] = "",
    folio: Annotated[str, Form()] = "",
    street: Annotated[str, Form()] = "",
) -> Response:
    """Decide about a record's address, and go on with the next record."""
    if choice not in DIALOGS:
        raise HTTPException(404, "There is no such decision.")
    with database.read() as connection:
        found = _find(connection, record_id)
        following = _next(connection, request, found["id"])
    _decide(f"{choice}_address", user, reason, id=found["id"], folio=folio.replace("-", ""), street=street)
    target = f"/{following}" if following else ""
    address = f"{request.scope['root_path']}/unmatched{target}?{query(_filter(request))}"
    return Response(status_code=204, headers={"HX-Redirect": address})


def _filter(request: Request) -> dict[str, str | None]:
    """Return the filter of the list, which goes along from record to record."""
    given = dict(request.query_params)
    return {"feed": one_of(given, "feed", FEED_NAMES), "reason": text(given, "reason"), "q": text(given, "q")}


def _next(connection: database.Connection, request: Request, record_id: int) -> int | None:
    """Return the id of the record that comes next in the list with the same filter."""
    found = database.rows(connection, "unmatched", **_filter(request), before=record_id, limit=1)
    return int(found[0]["id"]) if found else None


def _decide(name: str, user: User, reason: str, **parameters: object) -> object:
    """Run a function of ``address_review``. Raises HTTPException with the function's message if it refuses."""
    why = Reason.of(reason)
    values = {key: value.replace("\0", "") if isinstance(value, str) else value for key, value in parameters.items()}
    try:
        with database.write() as connection:
            return database.rows(connection, name, **values, actor=actor_name(user), reason=str(why))[0]["result"]
    except psycopg.Error as error:
        status = _STATUSES.get(error.sqlstate or "")
        if status is None:
            raise
        said = " ".join(filter(None, [f"{error.diag.message_primary}.", error.diag.message_hint]))
        raise HTTPException(status, said[:1].upper() + said[1:]) from error


def _find(connection: database.Connection, record_id: int) -> DictRow:
    found = database.rows(connection, "unmatched_record", id=record_id) if 0 < record_id < 2**63 else []
    if not found:
        raise HTTPException(404, f"There is no unmatched record {record_id}: a run has matched it, or it was deleted.")
    return found[0]
