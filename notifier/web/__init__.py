"""The notifier's web service, which ``uvicorn notifier.web:app`` runs.

Each module that defines routes has one router. The routes are for provider callbacks, lookups, unsubscribing, health
and metrics. Importing the package does not open any connection. While the database is down, the service responds with
503, so that providers retry their callbacks.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import psycopg_pool
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from leads.logs import get_logger
from leads.settings import MissingSetting
from notifier.core import db
from notifier.core.process_logs import configure_logs
from notifier.lookups import listener
from notifier.web import (
    connections,
    health,
    lookups,
    metrics,
    sendgrid_events,
    sms_inbound,
    twilio_status,
    unsubscribe,
    voice,
)
from notifier.web.request_context import RequestContext
from notifier.web.request_limits import RequestLimits

log = get_logger(__name__)

ROUTERS = (
    health.router,
    lookups.router,
    metrics.router,
    sendgrid_events.router,
    sms_inbound.router,
    twilio_status.router,
    unsubscribe.router,
    voice.router,
)


def without_query(record: logging.LogRecord) -> bool:
    """Remove query strings from uvicorn's access log, because they contain the tokens from unsubscribe links."""
    if isinstance(record.args, tuple) and len(record.args) == 5:
        client, method, path, version, status = record.args
        record.args = (client, method, str(path).partition("?")[0], version, status)
    return True


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Configure logging and the connections at startup, and close the listener and the pool at shutdown."""
    configure_logs()
    connections.limit()
    logging.getLogger("uvicorn.access").addFilter(without_query)
    yield
    listener.close()
    db.close()


async def database_is_away(request: Request, error: Exception) -> JSONResponse:
    """Respond with 503 and Retry-After while the database is down."""
    log.warning("database_away", error=type(error).__name__, path=request.url.path, status=503)
    return JSONResponse({"detail": "the database does not answer; try again"}, 503, {"Retry-After": "5"})


async def setting_is_missing(request: Request, error: Exception) -> JSONResponse:
    """Respond with 503 and name the missing setting."""
    log.error("setting_missing", path=request.url.path, problem=str(error), status=503)
    return JSONResponse({"detail": str(error)}, 503)


async def client_is_gone(request: Request, error: Exception) -> Response:
    """End a request whose client closed the connection before the body was complete. Nobody reads the response."""
    return Response(status_code=400)


def make_app() -> FastAPI:
    """Return the app with all routers and error handlers."""
    # Serve no API documentation, because this service is on the public internet. Do not redirect, because the
    # redirect's URL would contain the host from the request's Host header.
    made = FastAPI(title="Miami-Dade leads: notifier", lifespan=lifespan, openapi_url=None, redirect_slashes=False)
    made.add_middleware(RequestLimits)
    made.add_middleware(RequestContext)  # added after the limits, so that a refused request has an id too
    for error in (psycopg.OperationalError, psycopg_pool.PoolTimeout):
        made.add_exception_handler(error, database_is_away)
    made.add_exception_handler(MissingSetting, setting_is_missing)
    made.add_exception_handler(ClientDisconnect, client_is_gone)
    for router in ROUTERS:
        made.include_router(router)
    return made


app = make_app()
