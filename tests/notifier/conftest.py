"""The library on a database of the test's own, and real ``dramatiq notifier`` processes that talk to the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import dramatiq
import pytest
from dramatiq.brokers.redis import RedisBroker
from redis.connection import parse_url

from local.settings import Sandbox
from tests.notifier.county_api import CountyApi
from tests.notifier.system import System, settings_for
from tests.services import Database


@pytest.fixture
def notifier_settings(
    database: Database, redis_url: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> Iterator[pytest.MonkeyPatch]:
    """The settings of this process, so that the library can be driven directly; add to them with ``setenv``."""
    from notifier.core import db
    from notifier.lookups import listener
    from notifier.providers import sendgrid, twilio

    db.close()
    twilio._client.cache_clear()
    sendgrid._session.cache_clear()
    # Made when the module was imported, perhaps with no address or another one set.
    pool = cast(RedisBroker, dramatiq.get_broker()).client.connection_pool
    pool.connection_kwargs.update(parse_url(redis_url))
    pool.disconnect()
    for name, value in settings_for(database, redis_url, sandbox).items():
        monkeypatch.setenv(name, value)
    yield monkeypatch
    listener.close()
    db.close()


@pytest.fixture
def system(
    notifier_settings: pytest.MonkeyPatch, database: Database, redis_url: str, sandbox: Sandbox, tmp_path: Path
) -> Iterator[System]:
    """Database, Redis, sandbox and worker processes; workers start when the test says so and end with it."""
    running = System(database, redis_url, sandbox, tmp_path)
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def county_api(system: System) -> CountyApi:
    return CountyApi(system)
