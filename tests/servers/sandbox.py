"""Run the sandbox, which stands in for the county and the providers, in a separate process for tests."""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from local.paths import ROOT
from local.processes import Child
from local.settings import Sandbox
from tests.servers.folders import service_folder
from tests.servers.waiting import wait_for_service


@contextmanager
def running_sandbox(*options: str) -> Iterator[Sandbox]:
    """Start ``python -m sandbox serve`` with 500 documents per day; yield the sandbox's ports."""
    with service_folder("sandbox") as folder:
        ready = folder / "ready.json"
        command = [sys.executable, "-m", "sandbox", "serve", "--ftp-port", "0", "--http-port", "0", "--seed", "7"]
        command += ["--documents", "500", "--files", str(folder / "files"), "--ready-file", str(ready), *options]
        child = Child("sandbox", command, folder / "sandbox.log", folder=ROOT)
        child.start()
        try:
            wait_for_service(child, ready.exists, timeout=60)
            ports = json.loads(ready.read_text("utf-8"))
            yield Sandbox(int(ports["ftp_port"]), int(ports["http_port"]), ports.get("sendgrid_public_key", ""))
        finally:
            child.stop()


def reset_sandbox(sandbox: Sandbox) -> None:
    """Make the sandbox forget all requests and faults."""
    request = urllib.request.Request(f"{sandbox.url}/_sandbox/reset", data=b"", method="POST")
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10).close()
