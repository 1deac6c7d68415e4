"""Start the notifier's web service on this machine, and make the sandbox send the providers' callbacks to it."""

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
"""Seconds that the web service gets to stop; requests in progress get half of them."""


def service(places: Paths, port: int, environment: Mapping[str, str]) -> Child:
    """Return a process that serves ``notifier.web`` on ``port``, without starting it."""
    command = [str(places.executables / "uvicorn"), "notifier.web:app", "--host", LOOPBACK, "--port", str(port)]
    command += ["--http", "h11", "--timeout-graceful-shutdown", f"{GRACE / 2:.0f}"]
    log = places.log / "web.log"
    return Child("web", command, log, environment=environment, folder=ROOT, grace=GRACE, record=places.processes)


def is_healthy(port: int) -> bool:
    """Return whether the web service reports that the database, Redis and a worker for each queue are up."""
    try:
        with _opener().open(f"http://{LOOPBACK}:{port}/health", timeout=5):
            return True
    except OSError:
        return False


def let_sandbox_call_back(sandbox: Sandbox, port: int, settings: Mapping[str, str]) -> None:
    """Ask the sandbox to send callbacks for all e-mails, texts and calls from now on."""
    fields = {
        "url": f"http://{LOOPBACK}:{port}",
        "public_url": settings["API_URL"].rstrip("/"),
        "token": settings["TWILIO_AUTH_TOKEN"],
    }
    request = urllib.request.Request(
        f"{sandbox.url}/_sandbox/callbacks", json.dumps(fields).encode(), {"Content-Type": "application/json"}
    )
    _opener().open(request, timeout=10).close()


def _opener() -> urllib.request.OpenerDirector:
    # Do not use a proxy, because all services run on this machine.
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))
