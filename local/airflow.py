"""Configure and start Airflow's four processes on this machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local.keys import write_private
from local.paths import ROOT, Paths
from local.ports import LOOPBACK, preferred_port
from local.processes import Child

UI_PORT = 8080
TASKS_AT_ONCE = 4
USERS = {"admin": "admin", "op": "op", "viewer": "viewer"}
"""User names and their roles."""

COMPONENTS = ("api-server", "dag-processor", "scheduler", "triggerer")
GRACE = {"scheduler": 30.0, "dag-processor": 10.0, "triggerer": 2.0, "api-server": 10.0}
"""Seconds that each component gets to stop. The scheduler waits for running tasks. The triggerer would wait 10 s for
triggers, but this project has none; a second SIGTERM stops it at once."""


WITHOUT_LOG_SERVER = ("scheduler", "triggerer")
"""Components whose log server is not started: the server would listen on all interfaces, and its address cannot be set.
The api-server reads the logs from the folder that all components of this machine share."""


@dataclass(frozen=True)
class Ports:
    """The port of the api-server, which serves the UI and the REST API."""

    api: int

    @classmethod
    def choose(cls) -> Ports:
        """Choose a free port. The UI gets its default port if that port is free."""
        return cls(preferred_port(UI_PORT))

    @property
    def url(self) -> str:
        """Return the address of the UI and of the REST API."""
        return f"http://{LOOPBACK}:{self.api}"


def environment(
    places: Paths,
    keys: Mapping[str, str],
    *,
    metadata_url: str,
    ports: Ports,
    connections: Mapping[str, str],
) -> dict[str, str]:
    """Return the environment variables that every Airflow process and command of this stack needs.

    ``metadata_url`` is a ``postgresql://`` URL. ``connections`` maps each connection id to the connection's JSON.
    """
    home = places.state / "airflow"
    options = {
        "CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__PARALLELISM": str(TASKS_AT_ONCE),
        "CORE__DEFAULT_TIMEZONE": "America/New_York",
        # The demo unpauses only the DAG that it runs; `make up` runs all DAGs on their schedules.
        "CORE__DAGS_ARE_PAUSED_AT_CREATION": str(places.profile == "demo"),
        "CORE__EXECUTION_API_SERVER_URL": f"{ports.url}/execution/",
        "CORE__FERNET_KEY": keys["airflow_fernet_key"],
        "CORE__AUTH_MANAGER": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
        "CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{name}:{role}" for name, role in USERS.items()),
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords_file(places)),
        "DATABASE__SQL_ALCHEMY_CONN": metadata_url.replace("postgresql://", "postgresql+psycopg2://", 1),
        "API__HOST": LOOPBACK,
        "API__PORT": str(ports.api),
        "API__BASE_URL": ports.url,
        "API__WORKERS": "1",
        "API__SECRET_KEY": keys["airflow_secret_key"],
        "API_AUTH__JWT_SECRET": keys["airflow_jwt_secret"],
        "LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "USAGE_DATA_COLLECTION__ENABLED": "False",
        # So that developers do not have to wait, Airflow looks for work three times a second and for changed DAG files
        # every ten seconds.
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.3",
        "DAG_PROCESSOR__REFRESH_INTERVAL": "10",
        "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "10",
        "DAG_PROCESSOR__PARSING_PROCESSES": "2",
    }
    return {
        "AIRFLOW_HOME": str(home),
        **{f"AIRFLOW__{name}": value for name, value in options.items()},
        **{f"AIRFLOW_CONN_{name.upper()}": value for name, value in connections.items()},
    }


def passwords_file(places: Paths) -> Path:
    """Return the path of the file in which Airflow looks up passwords."""
    return places.keys / "airflow_passwords.json"


def write_passwords(places: Paths, keys: Mapping[str, str]) -> None:
    """Write the users' passwords to the file that Airflow's SimpleAuthManager reads."""
    write_private(passwords_file(places), json.dumps({name: keys[f"airflow_{name}_password"] for name in USERS}))


def component(name: str, places: Paths, variables: Mapping[str, str]) -> Child:
    """Return the process for the component ``name`` (one of COMPONENTS) without starting it."""
    options = ["--skip-serve-logs"] if name in WITHOUT_LOG_SERVER else []
    return Child(
        name,
        [places.executables / "airflow", name, *options],
        places.log / f"{name}.log",
        environment=variables,
        folder=ROOT,
        grace=GRACE[name],
        record=places.processes,
    )
