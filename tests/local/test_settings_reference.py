"""The example file and the reference page agree with the settings classes."""

from __future__ import annotations

import re

import pytest

from county.settings import BatchSettings
from leads.deployment_settings import DeploymentSettings
from leads.settings import EnvironmentSettings
from local import settings_reference
from local.paths import ROOT
from notifier.core.settings import NotifierSettings

SIDES = (NotifierSettings, BatchSettings, DeploymentSettings)


def test_the_example_file_is_up_to_date() -> None:
    written = settings_reference.EXAMPLE.read_text("utf-8")
    assert written == settings_reference.example(), "run: make settings-reference"


def test_the_reference_page_is_up_to_date() -> None:
    written = settings_reference.PAGE.read_text("utf-8")
    assert written == settings_reference.page(), "run: make settings-reference"


def test_the_files_list_every_setting_once() -> None:
    listed = settings_reference.names()
    assert len(listed) == len(set(listed))
    assert set(listed) == {name.upper() for side in SIDES for name in side.model_fields}


@pytest.mark.parametrize("side", SIDES)
def test_every_setting_has_a_description_and_required_ones_an_example(side: type[EnvironmentSettings]) -> None:
    for name, field in side.model_fields.items():
        notes = field.json_schema_extra
        assert isinstance(notes, dict)
        assert re.fullmatch(r"[A-Z].{15,}\.", field.description or "", re.DOTALL), name
        assert notes["example"] or not field.is_required(), name


def test_no_path_of_this_machine_is_written() -> None:
    home = str(ROOT)
    assert home not in settings_reference.example() + settings_reference.page()
