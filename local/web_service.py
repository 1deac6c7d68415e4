"""The notifier's HTTP side on this machine, and the sandbox that calls it back as the providers do."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping

from local.paths import ROOT, Paths
from local.ports import LOOPBACK
from local.processes import Child
from local.settings import Sandbox

WEB_PORT = 8000
GRACE = 10.0
"""Seconds to end in; requests that are being answered get half of it."""


def service(places: Paths, port: int, environment: Mapping[str, str]) -> Child:
    """``notifier.web`` on ``port``, not started yet."""
    command = [str(places.executables / "uvicorn"), "notifier.web:app", "--host", LOOPBACK, "--port", str(port)]
    command += ["--timeout-graceful-shutdown", f"{GRACE / 2:.0f}"]
    log = places.log / "web.log"
    return Child("web", command, log, environment=environment, folder=ROOT, grace=GRACE, record=places.processes)


def is_healthy(port: int) -> bool:
    """Whether it answers, and finds the database, Redis and the notifier's lanes."""
    try:
        with _opener().open(f"http://{LOOPBACK}:{port}/health", timeout=5):
            return True
    except OSError:
        return False


def let_sandbox_call_back(sandbox: Sandbox, port: int, settings: Mapping[str, str]) -> None:
    """From now on what the sandbox takes has consequences: mail and texts arrive, calls are answered and end."""
    told = {
        "url": f"http://{LOOPBACK}:{port}",
        "public_url": settings["API_URL"].rstrip("/"),
        "token": settings["TWILIO_AUTH_TOKEN"],
    }
    request = urllib.request.Request(
        f"{sandbox.url}/_sandbox/callbacks", json.dumps(told).encode(), {"Content-Type": "application/json"}
    )
    _opener().open(request, timeout=10).close()


def _opener() -> urllib.request.OpenerDirector:
    # Never through a proxy: everything is on this machine.
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))
