"""Only some of the caller's environment variables reach the stack's processes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from county.settings import BatchSettings
from local import airflow
from local.environment_file import read_environment_file, write_environment_file
from local.keys import load_keys
from local.paths import Paths
from local.settings import Sandbox, inherited, leads_settings, postgres_connection
from notifier.core.settings import NotifierSettings

SANDBOX = Sandbox(ftp_port=2121, http_port=8025)


def _settings(
    tmp_path: Path, profile: str, *, sandbox: Sandbox = SANDBOX, web_port: int | None = None
) -> dict[str, str]:
    places = Paths(tmp_path, profile)
    keys = load_keys(places.keys)
    return leads_settings(
        places,
        keys,
        database_url="postgresql://x/leads",
        redis_url="redis://x/0",
        sandbox=sandbox,
        web_port=web_port,
    )


@pytest.mark.parametrize("profile", ["demo", "up"])
@pytest.mark.parametrize("name", ["SENDGRID_API_URL", "TWILIO_API_URL", "MIAMI_DADE_API_URL", "ONCALL_URLS"])
def test_no_real_provider_is_reached_whatever_is_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, profile: str, name: str
) -> None:
    monkeypatch.setenv(name, "https://api.example.com")
    assert "127.0.0.1:8025" in _settings(tmp_path, profile)[name]


def test_the_demo_archives_only_in_its_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHIVE_URL", "gs://real/archive")
    assert _settings(tmp_path, "demo")["ARCHIVE_URL"].startswith(f"file://{tmp_path}/.local/demo/")
    assert _settings(tmp_path, "up")["ARCHIVE_URL"] == "gs://real/archive"


def test_the_callers_other_settings_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWILIO_SMS_NUMBER", "+13055550199")
    assert _settings(tmp_path, "demo")["TWILIO_SMS_NUMBER"] == "+13055550199"


def test_a_stack_has_every_required_setting(tmp_path: Path) -> None:
    sandbox = Sandbox(ftp_port=2121, http_port=8025, sendgrid_public_key="of the sandbox")
    fields = NotifierSettings.model_fields | BatchSettings.model_fields
    required = {name.upper() for name, field in fields.items() if field.is_required()}
    assert required <= set(_settings(tmp_path, "demo", sandbox=sandbox))


def test_callbacks_reach_our_own_web_service_unless_the_caller_publishes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENDGRID_WEBHOOK_PUBLIC_KEY", "of the real account")
    sandbox = Sandbox(ftp_port=2121, http_port=8025, sendgrid_public_key="of the sandbox")
    settings = _settings(tmp_path, "up", sandbox=sandbox, web_port=8001)
    assert settings["API_URL"] == "http://127.0.0.1:8001"
    assert settings["SENDGRID_WEBHOOK_PUBLIC_KEY"] == "of the sandbox"
    monkeypatch.setenv("API_URL", "https://tunnel.example.com")
    assert _settings(tmp_path, "up", sandbox=sandbox, web_port=8001)["API_URL"] == "https://tunnel.example.com"


def test_another_airflows_settings_do_not_leak_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "postgresql://production/airflow")
    monkeypatch.setenv("AIRFLOW_CONN_LEADS_DB", "postgresql://production/leads")
    assert not [name for name in inherited(Paths(tmp_path)) if name.startswith("AIRFLOW")]


def test_requests_to_the_loopback_never_use_a_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "intranet")
    assert inherited(Paths(tmp_path))["NO_PROXY"] == "intranet,127.0.0.1,localhost"


def test_an_airflow_connection_keeps_all_parts_of_a_database_address() -> None:
    url = "postgresql://me:p%40ss@db.example.com:5433/leads?sslmode=require"
    assert json.loads(postgres_connection(url)) == {
        "conn_type": "postgres",
        "host": "db.example.com",
        "port": 5433,
        "login": "me",
        "password": "p@ss",
        "schema": "leads",
        "extra": {"sslmode": "require"},
    }


def test_keys_are_made_once_and_kept_private(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    first = load_keys(folder)
    assert load_keys(folder) == first
    assert (folder / "keys.json").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("name", airflow.COMPONENTS)
def test_no_component_of_airflow_listens_beyond_the_loopback(tmp_path: Path, name: str) -> None:
    command = [str(word) for word in airflow.component(name, Paths(tmp_path), {}).command]
    has_log_server = name in ("scheduler", "triggerer")
    assert ("--skip-serve-logs" in command) is has_log_server, "a log server listens on all interfaces"
    variables = airflow.environment(
        Paths(tmp_path), load_keys(tmp_path), metadata_url="postgresql://x/y", ports=airflow.Ports(1), connections={}
    )
    assert variables["AIRFLOW__API__HOST"] == "127.0.0.1"


def test_a_shell_gets_the_settings_as_they_are(tmp_path: Path) -> None:
    places = Paths(tmp_path)
    places.local.mkdir()
    variables = {"PLAIN": "1", "QUOTED": """it's {"a": "$HOME `b`"}"""}
    write_environment_file(places, variables)
    script = 'source "$1"; printf "%s\\n" "$PLAIN" "$QUOTED"; command -v python psql'
    output = subprocess.check_output(["bash", "-c", script, "bash", places.environment_file], text=True)
    lines = output.splitlines()
    assert lines[:2] == list(variables.values())
    assert lines[2] == str(places.executables / "python")
    assert lines[3].endswith("psql")
    assert {name: read_environment_file(places)[name] for name in variables} == variables
    assert places.environment_file.stat().st_mode & 0o777 == 0o600
