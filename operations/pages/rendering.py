"""Renders the pages' templates. Jinja escapes every value, because anybody can record a document named ``<script>``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from functools import cache
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from fastapi import Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from leads.clock import NEW_YORK, now
from leads.redaction import mask_personal_data
from operations.pages import masks
from operations.pages.access import actor_name, form_token, may_act
from operations.pages.assets import asset_url

#: The pages in the navigation: path, name, icon.
NAVIGATION = (
    ("", "Overview", "overview"),
    ("deliveries", "Deliveries", "deliveries"),
    ("dead-letters", "Dead letters", "dead-letters"),
    ("ingestion", "Ingestion", "ingestion"),
    ("unmatched", "Unmatched", "unmatched"),
    ("subscribers", "Subscribers", "subscribers"),
    ("actions", "Actions", "actions"),
)


def render(request: Request, template: str, *, status: int = HTTPStatus.OK, **context: Any) -> HTMLResponse:
    """Return the page that ``template`` describes, with the user and the application's address in its context."""
    user = request.state.user
    page = (
        _environment()
        .get_template(template)
        .render(
            root=request.scope["root_path"],
            airflow=request.scope["root_path"].removesuffix("/operations"),
            path=request.scope["path"].removeprefix(request.scope["root_path"]).lstrip("/"),
            user=actor_name(user),
            may_act=may_act(user),
            token=form_token(user),
            navigation=NAVIGATION,
            now=now(),
            **context,
        )
    )
    return HTMLResponse(page, status)


def error_page(request: Request, status: int, message: str) -> Response:
    """Return an error as a page for browsers, and as text for scripts and partial updates."""
    if "text/html" not in request.headers.get("accept", "") or request.headers.get("hx-request"):
        return PlainTextResponse(message, status)
    page = (
        _environment()
        .get_template("error.html")
        .render(
            root=request.scope["root_path"],
            airflow=request.scope["root_path"].removesuffix("/operations"),
            title=HTTPStatus(status).phrase,
            message=message,
            login=status == HTTPStatus.UNAUTHORIZED,
            address=str(request.url),
        )
    )
    return HTMLResponse(page, status)


def new_york(moment: datetime, *, seconds: bool = False) -> str:
    """Return a time in New York: ``14:02`` for today, else ``Nov 26, 14:02``, with the year if it is another one."""
    local, today = moment.astimezone(NEW_YORK), now().astimezone(NEW_YORK)
    clock = f"{local:%H:%M:%S}" if seconds else f"{local:%H:%M}"
    if local.date() == today.date():
        return clock
    return f"{local:%b} {local.day}, {clock}" if local.year == today.year else f"{local:%Y-%m-%d} {clock}"


def time_tag(moment: datetime | None, *, seconds: bool = False) -> Markup:
    """Return a time in New York as an HTML element whose hover text is the exact moment."""
    if moment is None:
        return Markup('<span class="none">–</span>')
    local = moment.astimezone(NEW_YORK)
    exact = f"{local:%Y-%m-%d %H:%M:%S.%f}"[:-3] + f" {local:%Z} · {moment.astimezone(UTC):%H:%M:%S} UTC"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        moment.isoformat(), exact, new_york(moment, seconds=seconds)
    )


def duration(seconds: float | timedelta | None) -> str:
    """Return a duration such as ``300 ms``, ``4.2 s``, ``42 s``, ``5 min``, ``3 h 20 min`` or ``2 d 4 h``.

    Returns ``–`` for None.
    """
    if seconds is None:
        return "–"
    value = seconds.total_seconds() if isinstance(seconds, timedelta) else float(seconds)
    if value < 1:
        return f"{value * 1000:.0f} ms"
    if value < 60:
        return f"{value:.1f} s" if value < 10 else f"{value:.0f} s"
    minutes, hours, days = int(value // 60), int(value // 3600), int(value // 86400)
    if minutes < 60:
        return f"{minutes} min"
    if hours < 24:
        return f"{hours} h {minutes % 60} min"
    return f"{days} d {hours % 24} h"


def number(value: float | None) -> str:
    """Return a whole number with commas; ``–`` for None."""
    return "–" if value is None else f"{value:,.0f}"


def day(value: date) -> str:
    """Return a date such as ``Fri, Nov 27``."""
    return f"{value:%a, %b} {value.day}"


def query(parameters: Mapping[str, object]) -> str:
    """Return parameters as the query string of an address, without those that are None or empty."""
    return urlencode({name: value for name, value in parameters.items() if value not in (None, "")})


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("operations.pages"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "time": time_tag,
        "clock": new_york,
        "duration": duration,
        "number": number,
        "day": day,
        "query": query,
        "mask_email": masks.mask_email,
        "mask_phone": masks.mask_phone,
        "mask_recipient": masks.mask_recipient,
        "mask_personal_data": mask_personal_data,
    }
    environment.globals["asset_url"] = asset_url
    return environment
