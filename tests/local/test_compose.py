"""docker-compose.yaml and .env.example against the programs, the lanes and the contract's settings."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from local.paths import ROOT
from local.settings import DEFAULTS

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}

# The contract: one worker for each queue, and how much it does at once.
QUEUES = {
    "api-property-lookup": 10,
    "email-workflows": 50,
    "sms-notifications": 20,
    "voice-assistant": 5,
    "admin-alerts": 2,
}
# The contract's "Settings", <KIND> and <PURPOSE> spelt out below, and what was added beside them.
SETTINGS = {
    "DATABASE_URL",
    "REDIS_URL",
    "ARCHIVE_URL",
    "STORAGE_EMULATOR_HOST",
    "MIAMI_DADE_API_URL",
    "MIAMI_DADE_AUTH_KEY",
    "MIAMI_DADE_DAILY_UNIT_CAP",
    "MIAMI_DADE_DAILY_FORMAT",
    "MIAMI_DADE_FILE_LAG_DAYS",
    "INGESTION_RETRIES",
    "INGESTION_RETRY_DELAY_SECONDS",
    "MAX_REJECTED_PERCENT",
    "ALERT_MAX_AGE_DAYS",
    "PARCEL_ROLL_URL",
    "SENDGRID_API_KEY",
    "SENDGRID_API_URL",
    "SENDGRID_WEBHOOK_PUBLIC_KEY",
    "TWILIO_ACCOUNT_SID",
    "TWILIO_AUTH_TOKEN",
    "TWILIO_API_URL",
    "TWILIO_SMS_NUMBER",
    "FRONTEND_URL",
    "API_URL",
    "APP_API_TOKEN",
    "NOTIFIER_SECRET_KEY",
    "LOOKUP_TOKENS",
    "VERIFICATION_SMS_TOKENS",
    "CALL_RESPONDER",
    "CALL_WINDOW",
    "CALL_MAX_MINUTES",
    "CALLS_PER_SECOND",
    "CALL_RECORDING",
    "PROVIDER_TIMEOUT_SECONDS",
    "NOTIFIER_TIME_SCALE",
    "ONCALL_URLS",
    "ADMIN_ALERT_EMAIL",
    "AIRFLOW_CONN_LEADS_DB",
    "AIRFLOW_CONN_MIAMI_DADE_FTP",
    "AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT",
    "AIRFLOW_CONN_AIRFLOW_DB",
}
SETTINGS |= {
    f"SENDGRID_TEMPLATE_{kind}"
    for kind in [
        "NEW_LEAD_ALERT",
        "DAILY_DIGEST",
        "WEEKLY_REPORT",
        "WELCOME_EMAIL",
        "LOW_TOKEN_BALANCE",
        "CALL_FAILED",
        "EXPIRING_TRIAL",
        "PAYMENT_RECEIPT",
    ]
}
SETTINGS |= {f"SENDGRID_FROM_{purpose}" for purpose in ("LEADS", "WELCOME", "DIGEST", "BILLING", "SUPPORT")}
SECRETS = {
    "POSTGRES_PASSWORD",
    "AIRFLOW__API_AUTH__JWT_SECRET",
    "AIRFLOW__CORE__FERNET_KEY",
    "AIRFLOW__API__SECRET_KEY",
}


def _example() -> dict[str, str]:
    """Name and comment of each setting in .env.example."""
    found: dict[str, str] = {}
    comment = ""
    for line in (ROOT / ".env.example").read_text("utf-8").splitlines():
        match = re.fullmatch(r"(?:# )?([A-Z][A-Z0-9_]+)=.*", line)
        if match:
            assert match[1] not in found, f"{match[1]} is listed twice"
            found[match[1]] = comment
            comment = ""
        else:
            comment = line.removeprefix("#").strip()
    return found


def _commands(service: dict[str, Any]) -> list[list[str]]:
    """The programs that a service starts; a shell's words are those of the script it is given."""
    words: list[str] = service["command"]
    if words[:2] == ["bash", "-c"]:
        return [part.split() for part in words[2].split("&&")]
    return [words]


def _interpolated(value: object) -> set[str]:
    return set(re.findall(r"\$\{([A-Z][A-Z0-9_]*)", str(value)))


def test_example_lists_every_setting_of_the_contract_and_nothing_else() -> None:
    assert set(_example()) == SETTINGS | SECRETS


@pytest.mark.parametrize("name", sorted(_example()))
def test_every_setting_has_a_comment(name: str) -> None:
    assert len(_example()[name]) > 10, f"say in .env.example what {name} is"


def test_example_holds_no_real_secret() -> None:
    text = (ROOT / ".env.example").read_text("utf-8")
    assert not re.search(r"SG\.[\w-]{20}|AC[0-9a-f]{32}|AIza|-----BEGIN|xox[bp]-", text)


def test_names_that_compose_uses_are_in_the_example() -> None:
    text = (ROOT / "docker-compose.yaml").read_text("utf-8")
    assert _interpolated(text) <= set(_example())


@pytest.mark.parametrize("name", sorted(OURS))
def test_environment_of_a_service_is_made_of_known_names(name: str) -> None:
    environment = OURS[name]["environment"]
    unknown = [key for key in environment if key not in SETTINGS and not key.startswith("AIRFLOW__")]
    assert not unknown
    without_value = [key for key, value in environment.items() if value is None]
    assert set(without_value) <= set(_example())


def test_both_sides_get_the_settings_that_they_read() -> None:
    """What the local stack sets for the notifier and the DAGs, the compose file passes on."""
    passed = set(OURS["notifier-email"]["environment"]) | set(OURS["airflow-scheduler"]["environment"])
    assert set(DEFAULTS) <= passed
    assert passed >= SETTINGS


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
        if module == "notifier.web" and not list((ROOT / "notifier").glob("web*")):
            continue  # not written yet; the contract names it
        # Looked for, not imported: importing the notifier wants its settings.
        assert importlib.util.find_spec(module.partition(".")[0]) is not None
        path = ROOT / module.replace(".", "/")
        assert path.is_dir() or path.with_suffix(".py").exists(), f"{module} does not exist"


def test_every_queue_has_a_process_of_its_own_with_its_concurrency() -> None:
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


def test_the_lanes_of_the_notifier_are_those_of_the_contract() -> None:
    from notifier.core.queues import QUEUES as lanes_of_the_notifier

    assert {name: lane.concurrency for name, lane in lanes_of_the_notifier.items()} == QUEUES


def test_workers_get_the_time_to_finish_what_they_send() -> None:
    for name, service in OURS.items():
        words = _commands(service)[0]
        if words[0] == "dramatiq":
            shutdown_ms = int(words[words.index("--worker-shutdown-timeout") + 1])
            assert _seconds(service["stop_grace_period"]) * 1000 > shutdown_ms, name


def test_everything_is_watched_and_restarted() -> None:
    for name, service in SERVICES.items():
        if name == "airflow-init":
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
        assert f"COPY {lock} ." in text and f"-r {lock}" in text
        for source in re.findall(r"^COPY (?!requirements)(\S+)", text, re.MULTILINE):
            assert (ROOT / source).exists(), f"{name} copies {source}"
    assert {service["build"]["dockerfile"] for service in OURS.values()} == {
        "Dockerfile.airflow",
        "Dockerfile.notifier",
    }


def test_nothing_listens_on_the_host_but_on_the_loopback() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def _seconds(text: str) -> int:
    match = re.fullmatch(r"(\d+)([sm])", text)
    assert match is not None
    return int(match[1]) * (60 if match[2] == "m" else 1)
