"""The pages' style sheet and scripts.

The files have a route, not a mount, so that anonymous requests get no file either.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from fastapi import APIRouter, HTTPException, Response

router = APIRouter()

_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
_OURS = ("pages.css", "pages.js", "theme.js", "icon.svg")


def asset_url(name: str) -> str:
    """Return a file's address below the application's, with a checksum so that browsers may keep the file for ever."""
    return f"assets/{name}?v={sha256(_content(name)).hexdigest()[:12]}"


@router.get("/assets/{name}")
def asset(name: str) -> Response:
    """Return one of the files that the pages load."""
    if name not in (*_OURS, "htmx.js"):
        raise HTTPException(404, "There is no such file.")
    headers = {"Cache-Control": "private, max-age=31536000, immutable"}
    return Response(_content(name), media_type=_TYPES[Path(name).suffix], headers=headers)


@cache
def _content(name: str) -> bytes:
    if name == "htmx.js":
        # The package contains htmx as a file. Nothing of Django is imported.
        package = find_spec("django_htmx")
        assert package is not None and package.submodule_search_locations
        return (Path(package.submodule_search_locations[0]) / "static/django_htmx/htmx-2.min.js").read_bytes()
    return (files("operations.pages") / "static" / name).read_bytes()
