"""The settings that both sides share, and how all settings are declared and read.

A setting is a typed field of a settings class. The field declares the setting's name (in lower case), type, default,
unit and description in one place. ``.env.example`` and the reference page are generated from these classes (``make
settings-reference``).

A setting is read from the environment each time it is used. Therefore a process needs only the settings that it uses,
and a malformed setting stops only the code that uses the setting.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, SecretStr, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

#: ``.env.example`` shows this text for values that every deployment must replace. In a URL, the placeholder is only
#: part of the value.
PLACEHOLDER = "change-me"


class MissingSetting(RuntimeError):
    """A required setting is not set."""


class InvalidSetting(ValueError):
    """A setting's value is malformed, a placeholder, or too short for a secret."""


def setting(
    description: str,
    default: Any = ...,
    *,
    example: str = "",
    unit: str = "",
    command: str = "",
    shortest: int = 0,
    production: bool | None = None,
) -> Any:
    """Declare a field of a settings class; a field without a default is required.

    ``example`` is what ``.env.example`` shows instead of the default; ``command`` is a shell command that generates a
    value. ``shortest`` is the minimum number of characters in a secret. ``production`` says whether every
    deployment must set the field. By default, deployments must set only the required fields.
    """
    is_set_in_production = default is ... if production is None else production
    notes: dict[str, Any] = {
        "example": example,
        "unit": unit,
        "command": command,
        "shortest": shortest,
        "production": is_set_in_production,
    }
    return Field(default, description=description, json_schema_extra=notes)


class EnvironmentSettings(BaseSettings):
    """The base class of the settings classes.

    Programs read settings through ``lazily()``, because creating an instance reads all settings.
    """

    model_config = SettingsConfigDict(
        enable_decoding=False, env_ignore_empty=True, extra="ignore", frozen=True, validate_default=True
    )

    @classmethod
    def lazily(cls) -> Self:
        """Return settings that are read from the environment each time they are used.

        Using a setting raises MissingSetting if it is required and not set, and InvalidSetting if its value is
        malformed.
        """
        readers: dict[str, Any] = {name: _Reader(name, field) for name, field in cls.model_fields.items()}
        return cls.model_construct(**readers)

    @classmethod
    def is_set(cls, name: str) -> bool:
        """Return whether the environment sets ``name``; raise KeyError for an unknown setting."""
        cls.model_fields[name]
        return bool(os.environ.get(name.upper(), "").strip())

    @classmethod
    def problems(cls) -> list[str]:
        """Return one sentence for each malformed setting of this process; a missing setting is not reported."""
        try:
            cls()
        except ValidationError as error:
            fields = cls.model_fields
            names = [str(found["loc"][0]) for found in error.errors() if found["type"] != "missing"]
            return [str(_invalid(name, fields[name], error)) for name in dict.fromkeys(names)]
        return []

    @classmethod
    def refuse_unsafe(cls) -> None:
        """Raise InvalidSetting if a setting of this process is a placeholder or too short for a secret.

        Programs call this function when they start. The message names every such setting but contains no values.
        """
        texts = ((name, field, os.environ.get(name.upper(), "").strip()) for name, field in cls.model_fields.items())
        if found := [problem for name, field, text in texts if (problem := _unsafe(name, field, text))]:
            raise InvalidSetting("; ".join(found))

    if not TYPE_CHECKING:  # hidden from type checkers, because with this method they would accept any setting name

        def __getattribute__(self, name: str) -> Any:
            value = super().__getattribute__(name)
            return value.read() if type(value) is _Reader else value


class _Reader:
    """Reads one field from the environment, and parses the value again only if it has changed."""

    __slots__ = ("_field", "_name", "_parsed", "_variable")

    def __init__(self, name: str, field: FieldInfo) -> None:
        self._name, self._field = name, field
        self._variable = name.upper()
        self._parsed: tuple[str, Any] | None = None

    def read(self) -> Any:
        text = os.environ.get(self._variable, "")
        parsed = self._parsed
        if parsed is None or parsed[0] != text:
            parsed = self._parsed = text, self._parse(text.strip())
        return parsed[1]

    def _parse(self, text: str) -> Any:
        field = self._field
        if not text and field.is_required():
            raise MissingSetting(
                f"{self._variable} is not set: set it in the environment (.env.example says what it is)"
            )
        if problem := _unsafe(self._name, field, text):
            raise InvalidSetting(problem)
        given = text or field.get_default(call_default_factory=True)
        try:
            return TypeAdapter[Any](field.rebuild_annotation()).validate_python(given)
        except ValidationError as error:
            raise _invalid(self._name, field, error, text) from None

    def __repr__(self) -> str:
        return f"<{self._variable}>"


def is_secret(field: FieldInfo) -> bool:
    """Return whether the field's value is secret and must not be shown."""
    return "SecretStr" in str(field.annotation)


def _unsafe(name: str, field: FieldInfo, text: str) -> str | None:
    """Return the problem and its remedy if the value is a placeholder or too short for a secret, else None."""
    notes = field.json_schema_extra
    shortest, command = (notes["shortest"], notes["command"]) if isinstance(notes, dict) else (0, "")
    remedy = f"make one with: {command}" if command else "replace it with your own value"
    if PLACEHOLDER in text.lower():
        return f"{name.upper()} still has the placeholder of .env.example: {remedy}"
    if text and len(text) < int(str(shortest)):
        return f"{name.upper()} has {len(text)} characters, but it needs at least {shortest}: {remedy}"
    return None


def _invalid(name: str, field: FieldInfo, error: ValidationError, text: str | None = None) -> InvalidSetting:
    found = next(one for one in error.errors() if not one["loc"] or text is not None or one["loc"][0] == name)
    text = str(found["input"]) if text is None else text
    wanted = found.get("ctx", {}).get("error") or found["msg"].replace("Input ", "it ", 1)
    remedy = "" if field.is_required() else f", or leave it out for {field.get_default()}"
    shown = "malformed" if is_secret(field) else repr(text)
    return InvalidSetting(f"{name.upper()} is {shown}: {wanted}{remedy}")


class ServerSettings(EnvironmentSettings):
    """The leads database."""

    model_config = SettingsConfigDict(title="Servers")

    database_url: SecretStr = setting(
        "Address of the leads database, PostgreSQL 16 or newer. If unset, docker compose and make use their own "
        "server.",
        example="postgresql://leads:change-me@localhost:5432/leads",
        production=False,
    )


class OnCallSettings(EnvironmentSettings):
    """Who is alerted."""

    model_config = SettingsConfigDict(title="On-call")

    oncall_urls: SecretStr = setting(
        "Addresses that receive alerts for on-call, in the form that Apprise expects, separated by commas.",
        "",
        example="slack://TokenA/TokenB/TokenC,mailto://user:password@mail.example.com",
    )
    admin_alert_email: SecretStr = setting(
        "One more address for alerts. A plain e-mail address is reached through the mail server in ONCALL_URLS.",
        "",
        example="mailto://user:password@mail.example.com?to=oncall@example.com",
    )


class SharedSettings(ServerSettings, OnCallSettings):
    """The settings that ``leads`` itself reads, in every process."""


settings = SharedSettings.lazily()
