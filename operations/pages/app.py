"""The web application with all operators' pages, which Airflow's api-server mounts.

Airflow does not authenticate the applications of plugins, so every route here depends on ``check_access``, the route
for unknown paths included. A page contains no code and no style of its own: the Content-Security-Policy allows only
files from this application.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus

import psycopg
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from psycopg_pool import PoolTimeout

from leads.logs import get_logger
from leads.redaction import where
from operations.pages import (
    action_log,
    actions,
    assets,
    dead_letters,
    deliveries,
    delivery,
    ingestion,
    overview,
    pauses,
    search,
    subscribers,
    unmatched,
)
from operations.pages.access import check_access
from operations.pages.filters import BadFilter
from operations.pages.rendering import error_page

log = get_logger(__name__)

ROUTERS = (
    assets.router,
    overview.router,
    deliveries.router,
    delivery.router,
    search.router,
    dead_letters.router,
    actions.router,
    action_log.router,
    pauses.router,
    ingestion.router,
    unmatched.router,
    subscribers.router,
)
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
#: Bytes. The largest form is the one with 1,000 selected ids.
LARGEST_BODY = 1 << 20
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def create_app() -> FastAPI:
    """Return the application. Its address ends in ``/operations``."""
    app = FastAPI(
        title="Operations",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        dependencies=[Depends(check_access)],
    )
    app.middleware("http")(_add_headers)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _bad_request)
    app.add_exception_handler(BadFilter, _bad_request)
    app.add_exception_handler(psycopg.errors.QueryCanceled, _too_slow)
    app.add_exception_handler(psycopg.OperationalError, _database_away)
    app.add_exception_handler(PoolTimeout, _database_away)
    for router in ROUTERS:
        app.include_router(router)
    # Without this route, an anonymous request for an unknown path would get an answer.
    app.add_api_route("/{path:path}", _unknown, methods=METHODS)
    return app


async def _add_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    try:
        response = _refuse_body(request) or await call_next(request)
    except Exception as error:  # not a handler: the server would also log the traceback, with personal data
        log.error("page_failed", error=where(error))
        message = "This page has an error. The server's log says where."
        response = error_page(request, HTTPStatus.INTERNAL_SERVER_ERROR, message)
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _refuse_body(request: Request) -> Response | None:
    """Return an error for a body that no form of ours has: too large, or without a length in its headers."""
    if "transfer-encoding" in request.headers:
        return error_page(request, HTTPStatus.LENGTH_REQUIRED, "Send the form with its length.")
    length = request.headers.get("content-length", "0")
    if not length.isdigit() or int(length) > LARGEST_BODY:
        return error_page(request, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The form is too large.")
    return None


def _unknown(path: str) -> Response:
    raise HTTPException(HTTPStatus.NOT_FOUND, "There is no such page.")


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return error_page(request, error.status_code, str(error.detail))


async def _bad_request(request: Request, error: Exception) -> Response:
    said = str(error) if isinstance(error, BadFilter) else "The address contains a value that this page does not know."
    return error_page(request, HTTPStatus.BAD_REQUEST, said)


async def _too_slow(request: Request, error: Exception) -> Response:
    return error_page(
        request, HTTPStatus.GATEWAY_TIMEOUT, "The database took too long. Narrow the filter, for example to fewer days."
    )


async def _database_away(request: Request, error: Exception) -> Response:
    log.warning("leads_database_away", error=type(error).__name__)
    return error_page(
        request,
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The leads database does not answer. The page shows its data again as soon as the database is back.",
    )
