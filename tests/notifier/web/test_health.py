"""Within seconds, the health page reports which parts are down, and it reveals nothing else."""

from __future__ import annotations

import time

import httpx
import pytest

from notifier.core.queues import QUEUES
from tests.servers.postgres import Database


def all_parts(database: Database) -> None:
    for queue in QUEUES:
        database.connection.execute("INSERT INTO lane_status (process_id, queue_name) VALUES ('test:1', %s)", (queue,))
    database.connection.execute("SELECT pg_advisory_lock(hashtext('notifier:sweeper'))")


def test_all_parts_up_is_a_200(web: httpx.Client, database: Database) -> None:
    all_parts(database)
    answer = web.get("/health")
    assert answer.status_code == 200, answer.text
    assert answer.json() == {
        "status": "ok",
        "database": True,
        "sweeper": True,
        "lanes": dict.fromkeys(QUEUES, True),
        "paused": dict.fromkeys(QUEUES, False),
        "redis": True,
    }


def test_a_paused_queue_is_named_and_is_no_fault(web: httpx.Client, database: Database) -> None:
    all_parts(database)
    database.connection.execute("SELECT pause_queue('sms-notifications', 'cli:pat', 'maintenance')")
    answer = web.get("/health")
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")
    assert [name for name, is_paused in answer.json()["paused"].items() if is_paused] == ["sms-notifications"]
    assert "maintenance" not in answer.text and "pat" not in answer.text


def test_a_queue_without_a_heartbeat_is_named(web: httpx.Client, database: Database) -> None:
    all_parts(database)
    database.connection.execute(
        "UPDATE lane_status SET heartbeat_at = now() - interval '1 minute' WHERE queue_name = 'voice-assistant'"
    )
    answer = web.get("/health")
    assert answer.status_code == 503
    assert [name for name, there in answer.json()["lanes"].items() if not there] == ["voice-assistant"]


def test_a_missing_leader_is_named(web: httpx.Client, database: Database) -> None:
    all_parts(database)
    database.connection.execute("SELECT pg_advisory_unlock_all()")
    answer = web.get("/health")
    assert (answer.status_code, answer.json()["sweeper"], answer.json()["database"]) == (503, False, True)


def test_redis_down_is_named_while_the_database_is_up(
    web: httpx.Client, database: Database, settings_of_web: pytest.MonkeyPatch
) -> None:
    all_parts(database)
    settings_of_web.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    answer = web.get("/health")
    assert (answer.status_code, answer.json()["redis"], answer.json()["database"]) == (503, False, True)


def test_the_database_down_is_named_within_seconds(web: httpx.Client, settings_of_web: pytest.MonkeyPatch) -> None:
    settings_of_web.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    begin = time.monotonic()
    answer = web.get("/health")
    assert (answer.status_code, answer.json()["database"], answer.json()["redis"]) == (503, False, True)
    assert time.monotonic() - begin < 10


def test_a_request_has_an_id_that_the_answer_returns(web: httpx.Client) -> None:
    made = web.get("/health").headers["X-Request-ID"]
    assert len(made) == 32
    assert web.get("/health", headers={"X-Request-ID": "from-the-proxy"}).headers["X-Request-ID"] == "from-the-proxy"
    harmful = web.get("/health", headers={"X-Request-ID": "a b=c"}).headers["X-Request-ID"]
    assert len(harmful) == 32, "an invalid id is replaced and not logged"
