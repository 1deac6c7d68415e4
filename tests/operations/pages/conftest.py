"""The operators' pages in this process: the real application, Airflow's SimpleAuthManager, and a leads database."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from local.settings import postgres_connection
from tests.rows import Rows
from tests.servers.postgres import Database

ROLES = ("viewer", "user", "op", "admin")
AIRFLOW = {
    "AIRFLOW__CORE__AUTH_MANAGER": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{role}:{role}" for role in ROLES),
    "AIRFLOW__API__SECRET_KEY": "k" * 64,
    "AIRFLOW__API_AUTH__JWT_SECRET": "j" * 64,
}


@dataclass(frozen=True)
class Pages:
    """Clients of the pages, one for each role, and one without a session. ``rows`` writes to the leads database."""

    viewer: TestClient
    user: TestClient
    op: TestClient
    admin: TestClient
    anonymous: TestClient
    rows: Rows
    app: FastAPI


@pytest.fixture(scope="session")
def airflow_with_pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    """Yield an application that has the pages below ``/operations`` and Airflow's login below ``/auth``."""
    passwords = tmp_path_factory.mktemp("airflow-users") / "passwords.json"
    passwords.write_text(json.dumps({role: role for role in ROLES}), "utf-8")
    os.environ |= AIRFLOW | {"AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords)}

    from airflow import settings
    from airflow.api_fastapi.app import init_auth_manager
    from airflow.models.dag import DagModel
    from airflow.models.revoked_token import RevokedToken

    from operations.pages.app import create_app

    Path(os.environ["AIRFLOW_HOME"]).mkdir(parents=True, exist_ok=True)
    for model in (RevokedToken, DagModel):  # the only tables that logins and the pages need
        model.__table__.create(settings.get_engine(), checkfirst=True)
    app = FastAPI()
    app.mount("/operations", create_app())
    init_auth_manager(app)
    yield app
    for name in (*AIRFLOW, "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"):
        del os.environ[name]


@pytest.fixture
def pages(airflow_with_pages: FastAPI, database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pages]:
    """Yield clients of the pages, which show this test's leads database."""
    from operations.pages import database as pages_database

    monkeypatch.setenv("AIRFLOW_CONN_LEADS_DB", postgres_connection(database.url))
    clients = {role: _client(airflow_with_pages, role) for role in ROLES}
    yield Pages(**clients, anonymous=_client(airflow_with_pages), rows=Rows(database), app=airflow_with_pages)
    pages_database.close()


def _client(app: FastAPI, role: str | None = None) -> TestClient:
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    from operations.pages.access import TOKEN_HEADER, form_token

    client = TestClient(app, base_url="http://testserver/operations/", headers={"Accept": "text/html"})
    if role is not None:
        user = SimpleAuthManagerUser(username=role, role=role.upper())
        client.cookies.set("_token", get_auth_manager().generate_jwt(user))
        client.headers[TOKEN_HEADER] = form_token(user)
    return client
