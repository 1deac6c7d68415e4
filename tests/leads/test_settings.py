"""Settings have types and are read when they are used. Every error names the setting and the remedy."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import timeit
from collections.abc import Iterator
from datetime import time
from typing import Any

import pytest
from pydantic import SecretStr

from county.settings import BatchSettings
from county.settings import settings as batch
from leads.deployment_settings import DeploymentSettings
from leads.settings import EnvironmentSettings, InvalidSetting, MissingSetting, is_secret
from local.keys import MAKERS
from local.paths import ROOT
from notifier.core.settings import NotifierSettings, settings

SIDES: tuple[type[EnvironmentSettings], ...] = (NotifierSettings, BatchSettings, DeploymentSettings)
FIELDS = {name: field for side in SIDES for name, field in side.model_fields.items()}
OWN_SECRETS = {
    "app_api_token",
    "notifier_secret_key",
    "postgres_password",
    "redis_password",
    "airflow__api_auth__jwt_secret",
    "airflow__core__fernet_key",
    "airflow__api__secret_key",
}
"""Secrets that the deployment makes itself. Providers make the others."""
SECRETS = sorted(name for name, field in NotifierSettings.model_fields.items() if is_secret(field))


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in {name for side in SIDES for name in side.model_fields}:
        monkeypatch.delenv(name.upper(), raising=False)
    yield


def test_a_setting_is_what_the_environment_says_at_the_moment_of_use(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.notifier_time_scale == 1
    monkeypatch.setenv("NOTIFIER_TIME_SCALE", " 0.01 ")
    assert settings.notifier_time_scale == 0.01
    monkeypatch.setenv("NOTIFIER_TIME_SCALE", "")
    assert settings.notifier_time_scale == 1, "an empty setting is not set"


def test_settings_have_types(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.call_window == (time(8), time(20))
    monkeypatch.setenv("CALL_MAX_MINUTES", "4.2")
    assert settings.call_max_minutes == 5, "the minutes are rounded up"
    assert batch.ingestion_retries is None
    monkeypatch.setenv("INGESTION_RETRIES", "2")
    assert batch.ingestion_retries == 2


def test_a_missing_setting_is_named_with_its_remedy_when_it_is_used() -> None:
    with pytest.raises(MissingSetting, match=r"TWILIO_SMS_NUMBER is not set: set it in the environment"):
        _ = settings.twilio_sms_number


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("PROVIDER_TIMEOUT_SECONDS", "soon", "valid number"),
        ("PROVIDER_TIMEOUT_SECONDS", "0", "greater than 0"),
        ("LOOKUP_TOKENS", "-1", "greater than or equal to 0"),
        ("CALL_WINDOW", "8 to 20", "such as 08:00-20:00"),
        ("CALL_RECORDING", "maybe", "'off' or 'announced'"),
        ("CALL_MAX_MINUTES", "long", "valid integer"),
    ],
)
def test_a_malformed_setting_is_named_with_its_text_and_what_it_should_be(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, wanted: str
) -> None:
    monkeypatch.setenv(name, text)
    with pytest.raises(InvalidSetting, match=wanted) as caught:
        getattr(settings, name.lower())
    assert f"{name} is {text!r}" in str(caught.value)
    assert "leave it out for" in str(caught.value), "the error names the default as a remedy"
    assert NotifierSettings.problems() == [str(caught.value)], "problems() returns the same message"


def test_a_malformed_setting_does_not_affect_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALL_WINDOW", "never")
    assert settings.lookup_tokens == 0


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_never_shown(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name.upper(), "top-secret-text" * 10)
    value = getattr(settings, name)
    assert isinstance(value, SecretStr)
    assert value.get_secret_value() == "top-secret-text" * 10
    for shown in (str(value), repr(value), repr(settings), str(settings), f"{value}"):
        assert "top-secret" not in shown


def test_a_setting_that_is_named_like_a_secret_is_one() -> None:
    named = {n for n in NotifierSettings.model_fields if n.endswith(("_key", "_token", "_password"))}
    assert named <= set(SECRETS)
    assert {"database_url", "redis_url", "oncall_urls"} <= set(SECRETS), "addresses may contain passwords"


def _notes(name: str) -> dict[str, Any]:
    notes = FIELDS[name].json_schema_extra
    assert isinstance(notes, dict)
    return notes


def _side_of(name: str) -> type[EnvironmentSettings]:
    return next(side for side in SIDES if name in side.model_fields)


@pytest.mark.parametrize("name", sorted(name for name in FIELDS if "change-me" in _notes(name)["example"]))
def test_the_placeholder_of_every_setting_is_refused_at_start_and_when_it_is_used(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for text in (_notes(name)["example"], "Change-Me-2"):
        monkeypatch.setenv(name.upper(), text)
        with pytest.raises(InvalidSetting, match=rf"^{name.upper()} still has the placeholder") as caught:
            _side_of(name).refuse_unsafe()
        assert _notes(name)["command"] in str(caught.value), "the error shows the command that makes a value"
        with pytest.raises(InvalidSetting, match="placeholder"):
            getattr(_side_of(name).lazily(), name)


@pytest.mark.parametrize("name", sorted(OWN_SECRETS))
def test_a_short_secret_is_refused_and_the_command_in_the_error_makes_a_good_one(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    side, notes = _side_of(name), _notes(name)
    monkeypatch.setenv(name.upper(), "x" * (notes["shortest"] - 1))
    with pytest.raises(InvalidSetting, match=rf"it needs at least {notes['shortest']}: make one with: openssl rand"):
        side.refuse_unsafe()
    made = subprocess.check_output(["bash", "-c", notes["command"]], text=True).strip()
    monkeypatch.setenv(name.upper(), made)
    side.refuse_unsafe()
    assert getattr(side.lazily(), name).get_secret_value() == made


def test_every_secret_that_the_deployment_makes_itself_has_a_minimum_length() -> None:
    made = {name for name, field in FIELDS.items() if is_secret(field) and _notes(name)["command"]}
    assert made == OWN_SECRETS
    assert min(_notes(name)["shortest"] for name in made) >= 16


def test_the_keys_of_the_local_stack_are_long_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("notifier_secret_key", "app_api_token"):
        monkeypatch.setenv(name.upper(), MAKERS[name]())
    NotifierSettings.refuse_unsafe()


def _output_of_a_start(command: list[str], **variables: str) -> tuple[int, str]:
    environment = {name: value for name, value in os.environ.items() if name in ("PATH", "PYTHONPATH", "HOME")}
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env=environment | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    "command",
    [
        ["dramatiq", "notifier", "-p", "1", "-t", "1"],
        ["uvicorn", "notifier.web:app", "--port", "0"],
        ["leads.deployment_settings"],
    ],
    ids=lambda command: str(command[0]),
)
@pytest.mark.parametrize(("secret", "reason"), [("change-me", "placeholder"), ("2short", "at least")])
def test_no_program_starts_with_a_placeholder_or_a_short_secret(command: list[str], secret: str, reason: str) -> None:
    names = ("NOTIFIER_SECRET_KEY", "POSTGRES_PASSWORD")
    code, output = _output_of_a_start(command, **dict.fromkeys(names, secret))
    assert code != 0
    assert re.search(rf"(NOTIFIER_SECRET_KEY|POSTGRES_PASSWORD) .*{reason}", output)
    assert "openssl rand" in output
    assert secret not in output


def test_a_deployment_with_good_secrets_passes_the_check() -> None:
    assert _output_of_a_start(["leads.deployment_settings"], POSTGRES_PASSWORD="0123456789abcdef") == (0, "")


def test_a_setting_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(AttributeError):
        settings.template("no_such_kind")


def test_each_kind_of_email_has_a_template() -> None:
    import notifier

    email = notifier.new_lead_alert.queue_name
    kinds = {name for name in notifier.__all__ if getattr(getattr(notifier, name), "queue_name", None) == email}
    assert {f"sendgrid_template_{kind}" for kind in kinds} == {
        name for name in NotifierSettings.model_fields if name.startswith("sendgrid_template_")
    }


def test_reading_a_setting_costs_less_than_20_microseconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFIER_TIME_SCALE", "0.5")
    seconds = min(timeit.repeat(lambda: settings.notifier_time_scale, number=1000, repeat=5)) / 1000
    assert seconds < 20e-6
