"""docker-compose.yaml agrees with the programs, the queues and the settings classes."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from county.settings import BatchSettings
from leads.deployment_settings import AirflowConnections, ComposeSettings
from local import install
from local.paths import ROOT
from local.settings import ALWAYS_OURS, DEFAULTS
from local.settings_reference import names
from notifier.core.settings import NotifierSettings, SendGridSettings, TwilioSettings

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
AIRFLOW = {name for name, service in OURS.items() if "AIRFLOW_CONN_LEADS_DB" in service["environment"]}
NOTIFIER = {name for name, service in OURS.items() if service["build"]["dockerfile"] == "Dockerfile.notifier"}

# Queue → concurrency. The contract requires one worker process for each queue.
QUEUES = {
    "api-property-lookup": 10,
    "email-workflows": 50,
    "sms-notifications": 20,
    "voice-assistant": 5,
    "admin-alerts": 2,
}
SETTINGS = set(names())
NEVER_IN_AIRFLOW = {
    *SendGridSettings.model_fields,
    *TwilioSettings.model_fields,
    "app_api_token",
    "miami_dade_auth_key",
}


def _commands(service: dict[str, Any]) -> list[list[str]]:
    """Return the commands that a service runs, including commands in a shell script."""
    words: list[str] = service["command"]
    if words[:2] == ["bash", "-c"]:
        return [part.split() for part in words[2].split("&&")]
    return [words]


def _variables(fields: Iterable[str]) -> set[str]:
    return {name.upper() for name in fields}


def _interpolated(value: object) -> set[str]:
    return set(re.findall(r"\$\{([A-Z][A-Z0-9_]*)", str(value)))


def test_example_holds_no_real_secret() -> None:
    text = (ROOT / ".env.example").read_text("utf-8")
    assert not re.search(r"SG\.[\w-]{20}|AC[0-9a-f]{32}|AIza|-----BEGIN|xox[bp]-", text)


def test_names_that_compose_uses_are_in_the_example() -> None:
    text = (ROOT / "docker-compose.yaml").read_text("utf-8")
    assert _interpolated(text) <= SETTINGS


@pytest.mark.parametrize("name", sorted(NOTIFIER))
def test_a_notifier_service_gets_exactly_the_notifiers_settings(name: str) -> None:
    assert set(OURS[name]["environment"]) == _variables(NotifierSettings.model_fields)


@pytest.mark.parametrize("name", sorted(AIRFLOW))
def test_an_airflow_service_gets_all_settings_of_the_dags_and_no_providers_key(name: str) -> None:
    given = {key for key in OURS[name]["environment"] if not key.startswith("AIRFLOW__")}
    assert given >= _variables(BatchSettings.model_fields) | _variables(AirflowConnections.model_fields)
    assert given <= SETTINGS
    assert not given & _variables(NEVER_IN_AIRFLOW)


def test_the_local_stack_sets_only_settings_that_exist() -> None:
    assert set(DEFAULTS) | set(ALWAYS_OURS) <= SETTINGS


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_program_exists(name: str) -> None:
    for words in _commands(OURS[name]):
        program = words[0]
        assert (Path(sys.prefix) / "bin" / program).exists(), f"{program} is not in the environment"


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_module_exists(name: str) -> None:
    for words in _commands(OURS[name]):
        if words[:2] == ["python", "-m"]:
            module = words[2]
        elif words[0] in ("dramatiq", "uvicorn"):
            module = words[1].partition(":")[0]
        else:
            continue
        # Find the module without importing it, because importing the notifier would require its settings.
        assert importlib.util.find_spec(module.partition(".")[0]) is not None
        path = ROOT / module.replace(".", "/")
        assert path.is_dir() or path.with_suffix(".py").exists(), f"{module} does not exist"


def test_no_server_starts_before_its_secrets_are_checked() -> None:
    check = SERVICES["check-settings"]
    assert set(check["environment"]) == _variables(ComposeSettings.model_fields)
    assert _commands(check) == [["python", "-m", "leads.deployment_settings"]]
    for name in ("postgres", "redis"):
        assert SERVICES[name]["depends_on"]["check-settings"] == {"condition": "service_completed_successfully"}
    for name in set(OURS) - {"check-settings", "airflow-init"}:
        assert "airflow-init" in OURS[name]["depends_on"], name
    assert "postgres" in SERVICES["airflow-init"]["depends_on"]
    assert _commands(SERVICES["airflow-init"])[0] == ["python", "-m", "leads.deployment_settings"]


def test_redis_has_a_password_that_is_not_among_the_arguments_of_its_process() -> None:
    service = SERVICES["redis"]
    (config,) = service["configs"]
    assert service["command"][:2] == ["redis-server", config["target"]]
    assert COMPOSE["configs"][config["source"]]["content"] == "requirepass ${REDIS_PASSWORD:?set it in .env}\n"
    assert "PASSWORD" not in str(service["command"])
    assert ":${REDIS_PASSWORD:?set it in .env}@redis" in OURS["notifier-web"]["environment"]["REDIS_URL"]


def test_airflow_prints_no_password_to_its_log(tmp_path: Path) -> None:
    names = ("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS", "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE")
    users, _ = (OURS["airflow-api-server"]["environment"][name] for name in names)
    file = tmp_path / "passwords.json"
    environment = {**os.environ, "AIRFLOW_HOME": str(tmp_path), names[0]: users, names[1]: str(file)}
    subprocess.run([sys.executable, "-m", "leads.airflow_passwords"], cwd=ROOT, env=environment, check=True)
    made = json.loads(file.read_text())
    assert set(made) == {"admin", "op", "viewer"}
    assert file.stat().st_mode & 0o777 == 0o600
    code = "from airflow.api_fastapi.auth.managers.simple import simple_auth_manager as s; s.SimpleAuthManager().init()"
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    assert json.loads(file.read_text()) == made, "Airflow uses the passwords"
    assert not [password for password in made.values() if password in done.stdout + done.stderr]
    assert "Password for user" not in done.stdout + done.stderr


def test_no_service_of_airflow_has_a_log_server() -> None:
    for name in ("airflow-scheduler", "airflow-triggerer"):
        assert "--skip-serve-logs" in SERVICES[name]["command"]


def test_every_queue_has_its_own_process_with_the_right_concurrency() -> None:
    lanes: dict[str, int] = {}
    for service in OURS.values():
        for words in _commands(service):
            if words[0] != "dramatiq":
                continue
            queue, after = words[words.index("-Q") + 1 :][:2]
            assert after.startswith("-"), f"{queue} shares its process with {after}"
            assert queue not in lanes, f"two services work on {queue}"
            assert words[words.index("-p") + 1] == "1"
            lanes[queue] = int(words[words.index("-t") + 1])
    assert lanes == QUEUES


def test_the_queues_of_the_notifier_are_those_of_the_contract() -> None:
    from notifier.core.queues import QUEUES as lanes_of_the_notifier

    assert {name: lane.concurrency for name, lane in lanes_of_the_notifier.items()} == QUEUES


def test_workers_get_the_time_to_finish_what_they_send() -> None:
    for name, service in OURS.items():
        words = _commands(service)[0]
        if words[0] == "dramatiq":
            shutdown_ms = int(words[words.index("--worker-shutdown-timeout") + 1])
            assert _seconds(service["stop_grace_period"]) * 1000 > shutdown_ms, name


def test_the_web_service_has_limits_for_headers_and_memory() -> None:
    web = OURS["notifier-web"]
    words = web["command"]
    assert words[words.index("--http") + 1] == "h11"
    assert 250 < int(web["mem_limit"].removesuffix("m")) <= 512


def test_every_service_has_a_health_check_and_restarts() -> None:
    for name, service in SERVICES.items():
        if name in ("airflow-init", "check-settings"):
            assert service["restart"] == "no"
            continue
        assert service["restart"] == "unless-stopped", name
        assert service["healthcheck"]["test"], name


def test_images_are_built_from_the_locks() -> None:
    for name, lock in (
        ("Dockerfile.airflow", "requirements.txt"),
        ("Dockerfile.notifier", "requirements-notifier.txt"),
    ):
        text = (ROOT / name).read_text("utf-8")
        assert f"COPY {lock} ." in text
        assert f"--require-hashes -r {lock}" in text
        assert "--require-hashes -r requirements-installer.txt" in text
        assert text.count("pip install") == 2, "nothing is installed that is not locked"
        for source in re.findall(r"^COPY (?!requirements)(\S+)", text, re.MULTILINE):
            assert (ROOT / source).exists(), f"{name} copies {source}"
    assert {service["build"]["dockerfile"] for service in OURS.values()} == {
        "Dockerfile.airflow",
        "Dockerfile.notifier",
    }


@pytest.mark.parametrize("lock", sorted(path.name for path in ROOT.glob("requirements*.txt")))
def test_every_locked_package_has_hashes(lock: str) -> None:
    lines = re.sub(r"\\\n", "", (ROOT / lock).read_text("utf-8")).splitlines()
    packages = [line for line in lines if re.match(r"[a-z0-9]", line)]
    assert packages
    assert not [line for line in packages if "==" not in line or "--hash=sha256:" not in line]


def test_the_installation_refuses_a_file_with_another_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``make install`` refuses a package whose file does not match the hash in the lock file."""
    wheel = tmp_path / "changed-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("changed.py", "")
        file.writestr("changed-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: changed\nVersion: 1.0\n")
        file.writestr("changed-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr("changed-1.0.dist-info/RECORD", "")
    venv.create(tmp_path / "venv", with_pip=False)
    monkeypatch.setattr(install, "PYTHON", tmp_path / "venv" / "bin" / "python")
    monkeypatch.setattr(install, "ROOT", tmp_path)
    commands: list[list[str]] = []

    def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        """Record the command instead of running it."""
        commands.append(command)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(install, "_has_uv", lambda: True)
    with monkeypatch.context() as recorded:
        recorded.setattr(subprocess, "run", run)
        install._install_requirements(["lock.txt"])
    (command,) = commands
    # Run uv from the tests' environment, because the new environment has no uv.
    arguments = [sys.executable, *command[1:], "--offline", "--no-index", "--find-links", str(tmp_path)]
    good = hashlib.sha256(wheel.read_bytes()).hexdigest()
    for digest, is_installed in (("0" * 64, False), ("", False), (good, True)):
        lock = f"changed==1.0 --hash=sha256:{digest}" if digest else "changed==1.0"
        (tmp_path / "lock.txt").write_text(lock)
        done = subprocess.run(arguments, check=False, capture_output=True, text=True)
        assert (done.returncode == 0) is is_installed, done.stderr


def test_an_image_from_a_registry_may_be_named_with_its_digest() -> None:
    assert {SERVICES[name]["image"] for name in ("postgres", "redis")} == {
        "${POSTGRES_IMAGE:-postgres:18}",
        "${REDIS_IMAGE:-redis:7.2}",
    }
    for service in OURS.values():
        assert set(service["build"]["args"]) == {"PYTHON_IMAGE"}
        text = (ROOT / service["build"]["dockerfile"]).read_text("utf-8")
        assert re.findall(r"^(?:ARG|FROM) .*", text, re.MULTILINE) == [
            "ARG PYTHON_IMAGE=python:3.11-slim-bookworm",
            "FROM ${PYTHON_IMAGE}",
        ]


def test_services_publish_ports_only_on_the_loopback() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def _seconds(text: str) -> int:
    match = re.fullmatch(r"(\d+)([sm])", text)
    assert match is not None
    return int(match[1]) * (60 if match[2] == "m" else 1)
