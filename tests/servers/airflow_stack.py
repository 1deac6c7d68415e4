"""Run a real Airflow for drills, with an FTP server, an archive, and a leads database that a test can stop."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from local import airflow, keys, settings
from local.airflow_api import AirflowApi
from local.paths import ROOT, Paths
from local.ports import free_port
from local.postgres import PostgresServer
from local.processes import Child
from tests.servers.folders import service_folder
from tests.servers.ftp import PASSWORD, USER, CountyServer, running_ftp_server
from tests.servers.postgres import make_template, running_postgres

#: These times are shorter than in production, so that a drill does not have to wait for minutes.
QUICK = {
    "INGESTION_RETRIES": "3",
    "INGESTION_RETRY_DELAY_SECONDS": "1",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "12",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "10",
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "2",
    "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
}

_T = TypeVar("_T")


def wait_for(what: str, look: Callable[[], _T | None], timeout: float = 120, pause: float = 0.2) -> _T:
    """Call ``look`` until its result is true; return the result.

    Raises AssertionError with ``what`` in its message if this takes more than ``timeout`` seconds.
    """
    deadline = time.monotonic() + timeout
    while not (found := look()):
        assert time.monotonic() < deadline, f"did not happen within {timeout:.0f} s: {what}"
        time.sleep(pause)
    return found


class DrillApi(AirflowApi):
    """A client for Airflow's REST API that can also clear tasks, the way on-call does in the UI."""

    def clear(self, dag_id: str, run_id: str, *task_ids: str) -> None:
        """Clear the tasks and all tasks downstream of them."""
        body = {
            "dry_run": False,
            "dag_run_id": run_id,
            "task_ids": list(task_ids),
            "include_downstream": True,
            "only_failed": False,
            "reset_dag_runs": True,
        }
        self._call("POST", f"/api/v2/dags/{dag_id}/clearTaskInstances", body)


@dataclass
class AirflowStack:
    """A running Airflow. ``leads`` is the leads database's server. ``county`` is the FTP server."""

    places: Paths
    metadata: PostgresServer
    leads: PostgresServer
    county: CountyServer
    variables: dict[str, str]
    ports: airflow.Ports
    password: str
    components: dict[str, Child]

    @property
    def environment(self) -> dict[str, str]:
        return settings.inherited(self.places) | self.variables

    @property
    def api(self) -> DrillApi:
        return DrillApi(self.ports.url, "admin", self.password)

    @property
    def logs(self) -> Path:
        return self.places.state / "airflow" / "logs"

    def start(self, name: str, **more: str) -> None:
        """Start one of Airflow's components; ``more`` adds settings. Afterwards, call ``wait_until_healthy``."""
        self.components[name] = airflow.component(name, self.places, self.environment | more)
        self.components[name].start()

    def kill(self, name: str) -> None:
        """Kill a component and all its children at once, as if its machine went down."""
        child = self.components.pop(name)
        child.stop(signal.SIGKILL, grace=0.0)

    def stop(self, name: str) -> None:
        self.components.pop(name).stop()

    def wait_until_healthy(self, *names: str) -> None:
        def healthy() -> bool:
            for child in self.components.values():
                child.check()
            try:
                status = self.api.health()
            except OSError:
                return False
            return all(status.get(name) == "healthy" for name in names)

        wait_for(f"health of {', '.join(names)}", healthy, timeout=180)

    def command(self, *arguments: str) -> str:
        """Run one ``airflow`` command; return its standard output."""
        done = subprocess.run(
            [str(self.places.executables / "airflow"), *arguments],
            check=False, capture_output=True, text=True, env=self.environment, cwd=self.places.root, timeout=180,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
        return done.stdout


@contextmanager
def running_airflow(**more: str) -> Iterator[AirflowStack]:
    """Start a scheduler with LocalExecutor, a dag-processor and an api-server; yield when all of them are healthy.

    At first, all DAGs are paused, and the leads database is empty. ``more`` adds or replaces settings.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(service_folder("airflow"))
        metadata = stack.enter_context(running_postgres())
        leads = stack.enter_context(running_postgres())
        (folder / "ftp").mkdir()
        county = stack.enter_context(running_ftp_server(folder / "ftp"))
        places = Paths(root=folder)
        places.prepare()
        made = keys.load_keys(places.keys)
        ports = airflow.Ports(free_port())
        metadata.ensure_database("airflow")
        variables = airflow.environment(
            places,
            made,
            metadata_url=metadata.url("airflow"),
            ports=ports,
            connections=_connections(metadata, leads, county),
        )
        variables |= QUICK | {"ARCHIVE_URL": (folder / "archive").as_uri(), **more}
        airflow.write_passwords(places, made)
        running = AirflowStack(
            places, metadata, leads, county, variables, ports, made["airflow_admin_password"], components={}
        )
        stack.callback(_stop_all, running)
        _prepare_databases(running)
        for name in ("api-server", "dag-processor", "scheduler"):
            running.start(name)
        running.wait_until_healthy("metadatabase", "scheduler", "dag_processor")
        yield running


def _connections(metadata: PostgresServer, leads: PostgresServer, county: CountyServer) -> Mapping[str, str]:
    ftp = {"conn_type": "ftp", "host": "127.0.0.1", "port": county.port, "login": USER, "password": PASSWORD}
    return {
        "leads_db": settings.postgres_connection(leads.url("leads")),
        "airflow_db": settings.postgres_connection(metadata.url("airflow")),
        "miami_dade_ftp": json.dumps(ftp),
    }


def _prepare_databases(running: AirflowStack) -> None:
    command = [sys.executable, "-m", "local.airflow_metadata"]
    with subprocess.Popen(command, env=running.environment, cwd=ROOT, stdout=subprocess.DEVNULL) as metadata:
        template = make_template(running.leads)
        running.leads.copy_database("leads", template)
        assert metadata.wait(180) == 0


def _stop_all(running: AirflowStack) -> None:
    for name in ("scheduler", *[name for name in running.components if name != "scheduler"]):
        if name in running.components:
            running.components.pop(name).stop(grace=10.0)
