"""Fixtures for the notifier. The library uses the test's own database, and real workers call the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dramatiq
import pytest

from local.settings import Sandbox
from tests.notifier.county_api import CountyApi
from tests.notifier.system import System, settings_for
from tests.servers.postgres import Database


@pytest.fixture
def notifier_settings(
    database: Database, redis_url: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> Iterator[pytest.MonkeyPatch]:
    """Set the notifier's settings in this process, so that a test can call the library; yield the monkeypatch."""
    from notifier.core import db
    from notifier.lookups import listener
    from notifier.providers import sendgrid, twilio

    db.close()
    twilio.client.cache_clear()
    sendgrid.session.cache_clear()
    dramatiq.get_broker().close()
    for name, value in settings_for(database, redis_url, sandbox).items():
        monkeypatch.setenv(name, value)
    yield monkeypatch
    listener.close()
    db.close()


@pytest.fixture
def system(
    notifier_settings: pytest.MonkeyPatch, database: Database, redis_url: str, sandbox: Sandbox, tmp_path: Path
) -> Iterator[System]:
    """Yield one test's database, Redis, sandbox and workers. The test starts the workers; the fixture stops them."""
    running = System(database, redis_url, sandbox, tmp_path)
    try:
        yield running
    finally:
        running.stop()
    running.check_counts()


@pytest.fixture
def county_api(system: System) -> CountyApi:
    return CountyApi(system)
