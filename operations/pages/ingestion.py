"""The pages of ingestion runs: their files, counts and steps, and the lines that were rejected."""

from __future__ import annotations

from urllib.parse import quote

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import StreamingResponse
from psycopg.rows import DictRow

from county.feeds import ADDRESS_REVIEW, FEEDS
from operations.pages import database
from operations.pages.filter_values import days, one_of
from operations.pages.filters import optional_id
from operations.pages.rejected_lines import marked, read_lines, rejected_csv, visible
from operations.pages.rendering import render

router = APIRouter()

PAGE = 50
STATUSES = ("running", "success", "failed", "skipped")
#: DAG id → the feed. The address bar names feeds by their DAGs, as Airflow does.
FEEDS_OF_DAGS = {feed.dag_id: feed for feed in (*FEEDS, ADDRESS_REVIEW)}
_DAGS = {feed.ingestion_type: dag_id for dag_id, feed in FEEDS_OF_DAGS.items()}


@router.get("/ingestion")
def runs(request: Request) -> Response:
    """List the runs of all feeds, newest first."""
    given = dict(request.query_params)
    dag_id = one_of(given, "feed", FEEDS_OF_DAGS)
    since, until = days(given)
    wanted = {"status": one_of(given, "status", STATUSES), "since": since, "until": until}
    parameters = {
        **wanted,
        "type": FEEDS_OF_DAGS[dag_id].ingestion_type if dag_id else None,
        "before": optional_id("before", given.get("before")),
    }
    with database.read() as connection:
        found = database.rows(connection, "runs", **parameters, limit=PAGE + 1)
    return render(
        request,
        "runs.html",
        runs=[run | _links(request, run) for run in found[:PAGE]],
        filter={"feed": dag_id, **wanted},
        feeds=tuple(FEEDS_OF_DAGS),
        statuses=STATUSES,
        older=found[PAGE - 1]["id"] if len(found) > PAGE else None,
        before=parameters["before"],
    )


@router.get("/ingestion/{run_id}")
def run(request: Request, run_id: int) -> Response:
    """Show one run: its files, the duration of its steps, its leads, and its rejected lines."""
    after = optional_id("after", request.query_params.get("after"))
    with database.read() as connection:
        found = _find(connection, run_id)
        feed = FEEDS_OF_DAGS.get(_DAGS.get(found["ingestion_type"], ""))
        files = database.rows(connection, "run_files", id=found["id"])
        steps = database.rows(connection, "run_steps", id=found["id"])
        leads = database.rows(
            connection, "run_leads", day=found["day"], started=found["started_at"], seconds=found["seconds"]
        )
        rejected = _rejected(connection, found, feed.name if feed else None, after)
    return render(
        request,
        "run.html",
        run=found | _links(request, found),
        files=files,
        steps=steps,
        longest=max((step["seconds"] or 0 for step in steps), default=0),
        leads=leads,
        rejected=[
            line | {"parts": marked(line["layout_file"], line["raw_line"], line["reason"])} for line in rejected[:PAGE]
        ],
        next_line=rejected[PAGE - 1]["id"] if len(rejected) > PAGE else None,
        after=after,
    )


@router.get("/ingestion/{run_id}/lines/{line_id}")
def rejected_line(request: Request, run_id: int, line_id: int) -> Response:
    """Show one rejected line as a whole."""
    with database.read() as connection:
        found = _find(connection, run_id)
        feed = FEEDS_OF_DAGS.get(_DAGS.get(found["ingestion_type"], ""))
        parameters = {"id": min(max(line_id, 0), 2**63 - 1), "feed": feed.name if feed else "", "day": found["day"]}
        lines = database.rows(connection, "rejected_line", **parameters)
    if not lines:
        raise HTTPException(404, "There is no such line any more. A later run of the date has replaced it.")
    return render(request, "rejected_line.html", line=lines[0], text=visible(lines[0]["raw_line"] or ""))


@router.get("/ingestion/{run_id}/rejected.csv")
def rejected_lines(run_id: int) -> Response:
    """Return all rejected lines of a run as CSV."""
    with database.read() as connection:
        found = _find(connection, run_id)
    feed = FEEDS_OF_DAGS.get(_DAGS.get(found["ingestion_type"], ""))
    name = f"rejected-{feed.name if feed else 'run'}-{found['day']}.csv"
    return StreamingResponse(
        rejected_csv(feed.name if feed else "", found["day"]),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _rejected(connection: database.Connection, run: DictRow, feed: str | None, after: int | None) -> list[DictRow]:
    if feed is None:
        return []
    return read_lines(connection, feed, run["day"], after or 0, PAGE + 1)


def _links(request: Request, run: DictRow) -> dict[str, str]:
    """Return the run's DAG, and the address of Airflow's own page of the run."""
    dag_id = _DAGS.get(run["ingestion_type"], str(run["ingestion_type"]))
    airflow = request.scope["root_path"].removesuffix("/operations")
    return {
        "dag_id": dag_id,
        "airflow_page": f"{airflow}/dags/{quote(dag_id)}/runs/{quote(run['run_id'] or '', safe='')}",
    }


def _with_parts(line: DictRow) -> DictRow:
    return line | {"parts": marked(line["layout_file"], line["raw_line"], line["reason"])}


def _find(connection: database.Connection, run_id: int) -> DictRow:
    found = database.rows(connection, "run", id=run_id) if 0 < run_id < 2**63 else []
    if not found:
        raise HTTPException(404, f"There is no run {run_id}.")
    return found[0]
