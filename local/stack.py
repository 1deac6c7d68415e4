"""Start and stop all services that `make demo` and `make up` run on this machine."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from pathlib import Path

from local import airflow, demo_data, keys, settings, web_service
from local.airflow_api import AirflowApi
from local.environment_file import write_environment_file
from local.paths import ROOT, Paths
from local.ports import preferred_port
from local.postgres import PostgresServer
from local.processes import Child, ServiceDied, stop_leftovers
from local.progress import Progress
from local.redis import RedisServer
from local.settings import Sandbox

DATABASES = {"up": ("leads", "airflow"), "demo": ("demo_leads", "demo_airflow")}
"""Profile → names of the leads database and of Airflow's database. The demo drops and creates its own each time."""

STOP_ORDER: tuple[tuple[str, ...], ...] = (
    # The scheduler stops first: it waits for its running tasks, and tasks need all other services. The api-server stops
    # after its clients.
    ("scheduler",),
    ("dag-processor", "triggerer", "notifier", "web"),
    ("sandbox", "api-server"),
    ("redis",),
    ("postgres",),
)
SANDBOX_SEED = 7
SANDBOX_DOCUMENTS = 10_000
NOTIFIER_GRACE = 15.0


class Stack:
    """The services of one checkout. ``stop`` works at any time, even if ``start`` was interrupted.

    ``documents`` is the number of documents that the sandbox publishes for each business date.
    """

    def __init__(self, places: Paths, progress: Progress, documents: int = SANDBOX_DOCUMENTS) -> None:
        self.places = places
        self.progress = progress
        self.documents = documents
        self.keys = keys.load_keys(places.keys)
        self.children: list[Child] = []
        self._jobs: list[Child] = []
        self.leads_database, self.airflow_database = DATABASES[places.profile]
        self.own_database = settings.own_server("DATABASE_URL")
        self.own_redis = settings.own_server("REDIS_URL")
        self.database_url = ""
        self.sandbox = Sandbox(0, 0)
        self.ports = airflow.Ports(0)
        self.has_web = places.profile == "up"  # The demo stops before a provider would send a callback.
        self.web_port: int | None = None
        self.business_date = date.min
        self.variables: dict[str, str] = {}

    # ── starting ──────────────────────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Start all services, migrate the databases, wait until the services are healthy, and write ``.local/env``.

        Raises ServiceDied if a process ends or a command fails. Raises Interrupted if a signal arrives. After either
        error, the caller must call ``stop``.
        """
        step = self.progress.step
        with step("PostgreSQL and Redis"):
            self._clear_demo()
            redis_url = self._start_servers()
        with step("databases, demo data and the sandbox"):
            self._start_sandbox()
            self._prepare_databases()
            self._wait_for("sandbox", self._ready_file.exists, 60)
            self._settle(redis_url)
        with step("Airflow and the notifier"):
            self._start_services()
            self._wait_until_healthy()
        write_environment_file(self.places, self.variables)

    def _clear_demo(self) -> None:
        if self.places.profile == "demo":
            shutil.rmtree(self.places.state, ignore_errors=True)
        self.places.prepare()

    def _start_servers(self) -> str:
        self.postgres = start_postgres(self.places, self.keys)
        self.children.append(self.postgres.child)
        if self.places.profile == "demo":
            self.postgres.drop_database(self.airflow_database)
            self.postgres.drop_database(self.leads_database)
        self.postgres.ensure_database(self.airflow_database)
        if self.own_database:
            self.database_url = self.own_database
            self.progress.say("leads database: yours (DATABASE_URL); nothing in it is dropped")
        else:
            self.postgres.ensure_database(self.leads_database)
            self.database_url = self.postgres.url(self.leads_database)
        if self.own_redis:
            self.progress.say("Redis: yours (REDIS_URL)")
            return self.own_redis
        redis = RedisServer(
            self.places.state / "redis", log=self.places.log / "redis.log", record=self.places.processes
        )
        redis.start()
        self.children.append(redis.child)
        return redis.url

    @property
    def _ready_file(self) -> Path:
        return self.places.state / "sandbox.json"

    def _start_sandbox(self) -> None:
        self._ready_file.unlink(missing_ok=True)
        command = ["-m", "sandbox", "serve", "--ftp-port", "0", "--http-port", "0", "--seed", str(SANDBOX_SEED)]
        command += ["--documents", str(self.documents), "--files", str(self.places.state / "sandbox")]
        command += ["--ready-file", str(self._ready_file), *(["--call-back"] if self.has_web else [])]
        self._add(self._child("sandbox", [sys.executable, *command], settings.inherited(self.places)))

    def _prepare_databases(self) -> None:
        """Migrate both databases and add the demo's data.

        The commands run concurrently, because each command spends most of its time on imports.
        """
        airflow.write_passwords(self.places, self.keys)
        parcels_file = self.places.state / "parcels.csv"
        parcels = ["-m", "sandbox", "parcels", "--seed", str(SANDBOX_SEED), "--out", str(parcels_file)]
        inherited = settings.inherited(self.places)
        leads_environment = inherited | {"DATABASE_URL": self.database_url}
        metadata_environment = inherited | self._airflow_environment({})
        jobs = [
            self.begin_job("airflow-metadata", ["-m", "local.airflow_metadata"], metadata_environment),
            self.begin_job("migrations", ["-m", "migrations", "upgrade"], leads_environment),
            self.begin_job("parcels", parcels, leads_environment),
        ]
        for job in jobs[1:]:
            self.finish_job(job, 120)
        if self.places.profile == "demo" or not demo_data.has_subscribers(self.database_url):
            demo_data.load(self.database_url, parcels_file)
        self.finish_job(jobs[0], 180)

    def _airflow_environment(self, connections: dict[str, str]) -> dict[str, str]:
        return airflow.environment(
            self.places,
            self.keys,
            metadata_url=self.postgres.url(self.airflow_database),
            ports=self.ports,
            connections=connections,
        )

    def _settle(self, redis_url: str) -> None:
        """Compute the settings for Airflow and the notifier after all addresses are known."""
        ports = json.loads(self._ready_file.read_text("utf-8"))
        key = str(ports.get("sendgrid_public_key", ""))
        self.sandbox = Sandbox(int(ports["ftp_port"]), int(ports["http_port"]), key)
        self.business_date = date.fromisoformat(ports["business_date"])
        self.ports = airflow.Ports.choose()
        self.web_port = preferred_port(web_service.WEB_PORT) if self.has_web else None
        leads = settings.leads_settings(
            self.places,
            self.keys,
            database_url=self.database_url,
            redis_url=redis_url,
            sandbox=self.sandbox,
            web_port=self.web_port,
        )
        connections = {
            "leads_db": settings.postgres_connection(self.database_url),
            "miami_dade_ftp": settings.ftp_connection(self.sandbox),
            "airflow_db": settings.postgres_connection(self.postgres.url(self.airflow_database)),
        }
        self.variables = leads | self._airflow_environment(connections)

    def _start_services(self) -> None:
        environment = self.environment()
        if self.ports.api != airflow.UI_PORT:
            self.progress.say(f"port {airflow.UI_PORT} is taken: Airflow's UI is on {self.ports.url}")
        for name in airflow.COMPONENTS:
            self._add(airflow.component(name, self.places, environment))
        command = [self.places.executables / "dramatiq", "notifier", "--processes", "1"]
        self._add(self._child("notifier", command, environment, NOTIFIER_GRACE))
        if self.web_port is not None:
            if self.web_port != web_service.WEB_PORT:
                self.progress.say(f"port {web_service.WEB_PORT} is taken: the web service is on {self.web_port}")
            self._add(web_service.service(self.places, self.web_port, environment))

    def _wait_until_healthy(self) -> None:
        def healthy() -> bool:
            try:
                status = self.api().health()
            except OSError:
                return False
            needed = ("metadatabase", "scheduler", "dag_processor", "triggerer")
            return all(status.get(name) == "healthy" for name in needed)

        self._wait_for("api-server", healthy, 180)
        if (port := self.web_port) is not None:
            self._wait_for("web", lambda: web_service.is_healthy(port), 60)
            web_service.let_sandbox_call_back(self.sandbox, port, self.variables)

    # ── running ───────────────────────────────────────────────────────────────────────────────────────────────────

    def environment(self) -> dict[str, str]:
        """Return the stack's process environment: the caller's environment, the settings and Airflow's variables."""
        return settings.inherited(self.places) | self.variables

    def api(self) -> AirflowApi:
        """Return a client for Airflow's REST API that logs in as an administrator."""
        return AirflowApi(self.ports.url, "admin", self.keys["airflow_admin_password"])

    def check(self) -> None:
        """Raise ServiceDied if a service has ended."""
        for child in self.children:
            child.check()

    def pause(self, seconds: float = 0.3) -> None:
        """Sleep for ``seconds``. Raises Interrupted if a signal has arrived.

        Raises ServiceDied if a service has ended.
        """
        self.progress.pause(seconds)
        self.check()

    def sessions(self) -> list[int]:
        """Return the session ids of the running services."""
        return [child.pid for child in list(self.children) if child.process is not None]

    def begin_job(self, name: str, arguments: Sequence[str], environment: dict[str, str]) -> Child:
        """Start a one-off Python command and return its process; the caller passes it to ``finish_job``."""
        child = self._child(name, [sys.executable, *arguments], environment)
        child.start()
        self._jobs.append(child)
        return child

    def finish_job(self, job: Child, timeout: float) -> None:
        """Wait until a one-off command ends. Raises ServiceDied if the command fails or exceeds ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        while job.running and time.monotonic() < deadline:
            self.pause(0.05)
        job.wait_success(0.0)
        self._jobs.remove(job)

    # ── stopping ──────────────────────────────────────────────────────────────────────────────────────────────────

    def stop(self) -> None:
        """Stop all processes in the order of STOP_ORDER. After a second signal, kill the processes without waiting.

        Safe to repeat.
        """
        for job in self._jobs:
            job.stop(grace=1.0)
        self._jobs.clear()
        for names in STOP_ORDER:
            self._stop_together([child for child in self.children if child.name in names])
        self._stop_together(self.children)
        self.children.clear()

    def _stop_together(self, children: Iterable[Child]) -> None:
        group = list(children)
        asked = time.monotonic()
        for child in group:
            child.ask_to_stop()
        for child in group:
            while child.running and time.monotonic() - asked < child.grace and not self.progress.impatient:
                time.sleep(0.05)
        for child in group:
            child.stop(grace=0.0)

    # ── parts ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _child(self, name: str, command: Sequence[object], environment: dict[str, str], grace: float = 10.0) -> Child:
        return Child(
            name,
            [str(part) for part in command],
            self.places.log / f"{name}.log",
            environment=environment,
            folder=ROOT,
            grace=grace,
            record=self.places.processes,
        )

    def _add(self, child: Child) -> None:
        child.start()
        self.children.append(child)

    def _wait_for(self, what: str, done: Callable[[], bool], timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while not done():
            self.pause()
            if time.monotonic() > deadline:
                log = self.places.log / f"{what}.log"
                raise ServiceDied(what, f"did not answer within {timeout:.0f} s", log)


def start_postgres(places: Paths, stack_keys: dict[str, str]) -> PostgresServer:
    """Start the checkout's own PostgreSQL server and return it."""
    server = PostgresServer(
        places.postgres_home(),
        password=stack_keys["postgres_password"],
        log=places.log / "postgres.log",
        record=places.processes,
    )
    server.start()
    return server


def clear_leftovers(places: Paths, progress: Progress) -> None:
    """Stop the processes that a killed stack left running. The caller must hold the checkout's lock."""
    if stopped := stop_leftovers(places.processes):
        progress.say(f"stopped processes that an earlier start left running: {', '.join(stopped)}")
