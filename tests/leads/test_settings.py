"""Settings have types and are read when they are used. Every error names the setting and the remedy."""

from __future__ import annotations

import timeit
from collections.abc import Iterator
from datetime import time

import pytest
from pydantic import SecretStr

from county.settings import BatchSettings
from county.settings import settings as batch
from leads.settings import InvalidSetting, MissingSetting, is_secret
from notifier.core.settings import NotifierSettings, settings

SECRETS = sorted(name for name, field in NotifierSettings.model_fields.items() if is_secret(field))


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in {*NotifierSettings.model_fields, *BatchSettings.model_fields}:
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
    monkeypatch.setenv(name.upper(), "top-secret-text")
    value = getattr(settings, name)
    assert isinstance(value, SecretStr)
    assert value.get_secret_value() == "top-secret-text"
    for shown in (str(value), repr(value), repr(settings), str(settings), f"{value}"):
        assert "top-secret" not in shown


def test_a_setting_that_is_named_like_a_secret_is_one() -> None:
    named = {n for n in NotifierSettings.model_fields if n.endswith(("_key", "_token", "_password"))}
    assert named <= set(SECRETS)
    assert {"database_url", "redis_url", "oncall_urls"} <= set(SECRETS), "addresses may contain passwords"


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
