from __future__ import annotations

import pytest

from tests.county.days import Pipeline
from tests.services import Database


@pytest.fixture
def county(database: Database) -> Pipeline:
    """The pipeline on an empty leads database, reading Cases.exp and Parties.exp."""
    return Pipeline(database.connection)


@pytest.fixture
def clerk(database: Database, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    """The pipeline reading the Clerk's own 42-column file."""
    monkeypatch.setenv("MIAMI_DADE_DAILY_FORMAT", "official_records")
    return Pipeline(database.connection)


@pytest.fixture(params=["cases_parties", "official_records"])
def either(request: pytest.FixtureRequest, database: Database, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    """The pipeline, once for each daily format."""
    monkeypatch.setenv("MIAMI_DADE_DAILY_FORMAT", request.param)
    return Pipeline(database.connection)
