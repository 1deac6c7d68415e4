"""Write ``.env.example`` and ``docs/reference/settings.md`` from the settings classes.

Run ``make settings-reference`` after every change to a setting. A test compares both files with the settings classes.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from county.settings import (
    ArchiveSettings,
    BatchSettings,
    CountyFileSettings,
    DocumentationSettings,
    IngestionSettings,
)
from leads.deployment_settings import AirflowConnections, ComposeSettings, ImageSettings
from leads.settings import EnvironmentSettings, OnCallSettings, ServerSettings, is_secret
from local.paths import ROOT
from notifier.core.settings import (
    AppSettings,
    CountyApiSettings,
    NotifierSettings,
    RedisSettings,
    SendGridSettings,
    SendingSettings,
    TwilioSettings,
)

EXAMPLE = ROOT / ".env.example"
PAGE = ROOT / "docs" / "reference" / "settings.md"

#: The settings classes, in the order in which both files list them. Adjacent classes with the same title form one
#: group.
GROUPS: tuple[type[EnvironmentSettings], ...] = (
    ComposeSettings,
    ImageSettings,
    ServerSettings,
    RedisSettings,
    ArchiveSettings,
    AirflowConnections,
    CountyFileSettings,
    CountyApiSettings,
    IngestionSettings,
    DocumentationSettings,
    SendGridSettings,
    TwilioSettings,
    AppSettings,
    SendingSettings,
    OnCallSettings,
)

_WIDTH = 120
_EXAMPLE_HEAD = """\
# Settings of the whole system. For docker compose: cp .env.example .env, then replace every change-me.
# A setting in a line that starts with "#" is optional; the line shows the default or an example.
# `make demo`, `make up` and `make test` need no file: they generate their own keys and use the sandbox.
# `make settings-reference` generates this file from the settings classes; change the classes, not this file.
"""
_PAGE_HEAD = """\
# Settings

Every program reads its settings from the environment. `make demo`, `make up` and `make test` set all of them; for
`docker compose`, copy `.env.example` to `.env` and replace every `change-me`.

A required setting has no default. If a required setting is missing, the program fails when it first needs the
setting, and the error names the setting. A malformed setting is reported when the program starts and again when it is
used. Secrets are never printed and never logged.

Workers, the web service and docker compose do not start while a setting still has the placeholder `change-me`, or while
a secret has fewer characters than this page says. The error names the setting and the command that makes a value.

This page is generated from the settings classes by `make settings-reference`: `leads/settings.py` (both sides),
`notifier/core/settings.py` (notifier), `county/settings.py` (DAGs) and `leads/deployment_settings.py` (Airflow and
docker compose).
"""


def main() -> None:
    """Write both files."""
    EXAMPLE.write_text(example(), "utf-8")
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page(), "utf-8")
    print(f"wrote {EXAMPLE.relative_to(ROOT)} and {PAGE.relative_to(ROOT)}")


def example() -> str:
    """Return the text of ``.env.example``."""
    parts = [_EXAMPLE_HEAD]
    for title, fields in _groups():
        rule = f"# ── {title} ".ljust(_WIDTH - 1, "─")
        parts.append(
            "\n".join([rule, *(line for name, field in fields.items() for line in _lines(name, field))]) + "\n"
        )
    return "\n".join(parts)


def page() -> str:
    """Return the text of the reference page."""
    parts = [_PAGE_HEAD]
    for title, fields in _groups():
        rows = [_row(name, field) for name, field in fields.items()]
        head = ["| Setting | Type | Default | Read by | Meaning |", "| --- | --- | --- | --- | --- |"]
        parts.append("\n".join([f"## {title}", "", *head, *rows]) + "\n")
    return "\n".join(parts)


def names() -> list[str]:
    """Return the names of all settings, in the order in which the files list them."""
    return [name.upper() for _, fields in _groups() for name in fields]


def _groups() -> Iterator[tuple[str, dict[str, FieldInfo]]]:
    merged: dict[str, dict[str, FieldInfo]] = {}
    for group in GROUPS:
        merged.setdefault(str(group.model_config["title"]), {}).update(group.model_fields)
    yield from merged.items()


def _lines(name: str, field: FieldInfo) -> Iterator[str]:
    notes = _notes(field)
    meaning = f"{field.description} Unit: {notes['unit']}." if notes["unit"] else str(field.description)
    for line in textwrap.wrap(meaning, _WIDTH - 2, break_on_hyphens=False, break_long_words=False):
        yield f"# {line}"
    if notes["shortest"]:
        yield f"# At least {notes['shortest']} characters."
    if notes["command"]:
        yield f"# To make one: {notes['command']}"
    optional = "" if notes["production"] else "# "
    yield f"{optional}{name.upper()}={notes['example'] or _default(field)}"


def _row(name: str, field: FieldInfo) -> str:
    notes = _notes(field)
    default = "required" if field.is_required() else f"`{_default(field)}`" if _default(field) else "none"
    length = f" At least {notes['shortest']} characters." if notes["shortest"] else ""
    command = f" To make one: `{notes['command']}`" if notes["command"] else ""
    meaning = f"{field.description}{length}{command}"
    kind = _kind(field.annotation, notes["unit"]) + (", secret" if is_secret(field) else "")
    cells = [f"`{name.upper()}`", kind, default, _readers(name), meaning]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _default(field: FieldInfo) -> str:
    value = field.get_default()
    return "" if value is None else str(value).replace(ROOT.as_uri(), "file://<checkout>")


def _notes(field: FieldInfo) -> dict[str, Any]:
    notes = field.json_schema_extra
    assert isinstance(notes, dict)
    return dict(notes)


def _readers(name: str) -> str:
    readers: dict[str, type[EnvironmentSettings]] = {"notifier": NotifierSettings, "DAGs": BatchSettings}
    return ", ".join(reader for reader, side in readers.items() if name in side.model_fields) or "deployment"


def _kind(annotation: Any, unit: str) -> str:
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{choice}`" for choice in get_args(annotation))
    if get_origin(annotation) in (Union, UnionType):
        annotation = next(part for part in get_args(annotation) if part is not NoneType)
    while hasattr(annotation, "__metadata__"):
        annotation = get_args(annotation)[0]
    kind = {int: "whole number", float: "number"}.get(annotation, "text")
    return f"{kind} ({unit})" if unit else kind


if __name__ == "__main__":
    main()
