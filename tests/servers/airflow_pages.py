"""Run Airflow's api-server with the operators' pages, and log in as users with different roles."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from local import airflow, keys, settings
from local.airflow_api import AirflowApi
from local.paths import ROOT, Paths
from local.ports import free_port
from tests.servers.airflow_stack import wait_for
from tests.servers.folders import service_folder
from tests.servers.postgres import Database, fresh_database, make_template, running_postgres

ROLES = ("viewer", "op", "admin")
FAB = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
#: Creates one user for each role, with the role's name as name and password, in Airflow's FAB auth manager.
CREATE_FAB_USERS = """
from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
with get_application_builder() as builder:
    for role in ("Viewer", "Op", "Admin"):
        name = role.lower()
        assert builder.sm.add_user(name, name, name, f"{name}@example.com", builder.sm.find_role(role), password=name)
"""


@dataclass(frozen=True)
class ServedPages:
    """A running api-server with the pages of ``database``. ``tokens`` are sessions by role."""

    url: str
    database: Database
    tokens: Mapping[str, str]


@contextmanager
def served_pages(*, is_fab: bool = False) -> Iterator[ServedPages]:
    """Start PostgreSQL and an api-server with SimpleAuthManager or FAB's auth manager; yield when it is healthy."""
    with ExitStack() as stack:
        folder = stack.enter_context(service_folder("pages"))
        postgres = stack.enter_context(running_postgres())
        database = stack.enter_context(fresh_database(postgres, "leads", make_template(postgres)))
        places = Paths(root=folder)
        places.prepare()
        environment = _environment(places, postgres.url("airflow"), database.url, is_fab=is_fab)
        postgres.ensure_database("airflow")
        _run(environment, "-m", "local.airflow_metadata")
        if is_fab:
            _run(environment, "-c", CREATE_FAB_USERS)
        server = airflow.component("api-server", places, environment)
        server.start()
        stack.callback(server.stop)
        url = environment["AIRFLOW__API__BASE_URL"]
        wait_for("health of the api-server", lambda: _is_up(url), timeout=180)
        passwords = dict.fromkeys(ROLES) if is_fab else json.loads(airflow.passwords_file(places).read_text("utf-8"))
        yield ServedPages(url, database, {role: _log_in(url, role, passwords[role] or role) for role in ROLES})


def _environment(places: Paths, metadata_url: str, leads_url: str, *, is_fab: bool) -> dict[str, str]:
    made = keys.load_keys(places.keys)
    variables = airflow.environment(
        places,
        made,
        metadata_url=metadata_url,
        ports=airflow.Ports(free_port()),
        connections={"leads_db": settings.postgres_connection(leads_url)},
    )
    airflow.write_passwords(places, made)
    chosen = {"AIRFLOW__CORE__AUTH_MANAGER": FAB} if is_fab else {}
    return settings.inherited(places) | variables | chosen


def _run(environment: Mapping[str, str], *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, *arguments],
        check=False,
        capture_output=True,
        text=True,
        env=environment,
        cwd=ROOT,
        timeout=180,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]


def _is_up(url: str) -> bool:
    try:
        AirflowApi(url, "", "").health()
    except OSError:
        return False
    return True


def _log_in(url: str, user: str, password: str) -> str:
    body = json.dumps({"username": user, "password": password}).encode()
    request = urllib.request.Request(f"{url}/auth/token", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return str(json.load(answer)["access_token"])
