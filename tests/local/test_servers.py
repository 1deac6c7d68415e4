"""The local stack's PostgreSQL and Redis servers work, and so do the test fixtures that use them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
import redis

from local.postgres import UNSAFE, PostgresServer
from local.redis import RedisServer
from tests.servers.folders import service_folder
from tests.servers.postgres import Database


def test_a_database_is_migrated_and_the_tests_own(database: Database) -> None:
    database.connection.execute("INSERT INTO users (email) VALUES ('a@example.com')")
    row = database.connection.execute("SELECT count(*) FROM users").fetchone()
    assert row == (1,)


def test_the_database_is_empty_for_the_next_test_too(database: Database) -> None:
    row = database.connection.execute("SELECT count(*) FROM users").fetchone()
    assert row == (0,)


def test_postgres_knows_the_letters_of_spanish_names(postgres_server: PostgresServer) -> None:
    with psycopg.connect(postgres_server.url(), autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        row = connection.execute("SELECT upper('muñoz'), similarity('muñoz', 'mu oz') < 1").fetchone()
    assert row == ("MUÑOZ", True)


def test_postgres_asks_for_its_password(postgres_server: PostgresServer) -> None:
    wrong = postgres_server.url().replace(postgres_server.password, "wrong")
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(wrong)


def test_postgres_keeps_committed_rows_through_an_immediate_stop() -> None:
    with service_folder("test") as folder, PostgresServer(folder / "pg") as server:
        with psycopg.connect(server.url(), autocommit=True) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
        port = server.port
        server.restart("immediate")
        assert server.port == port
        with psycopg.connect(server.url()) as connection:
            assert connection.execute("SELECT one FROM kept").fetchone() == (1,)


def test_postgres_starts_after_an_interrupted_first_start() -> None:
    with service_folder("test") as folder:
        half = folder / "pg" / "data.new"
        half.mkdir(parents=True)
        (half / "PG_VERSION").write_text("18\n")
        with PostgresServer(folder / "pg", settings=UNSAFE) as server, psycopg.connect(server.url()) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another user")
def test_as_root_postgres_runs_although_its_user_cannot_reach_the_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    reaches = PostgresServer._can_run
    monkeypatch.setattr(
        PostgresServer, "_can_run", lambda self, place: place.is_relative_to(self.home) and reaches(self, place)
    )
    with service_folder("test") as folder, PostgresServer(folder / "pg", settings=UNSAFE) as server:
        program = Path(f"/proc/{server.child.pid}/exe").readlink()
        assert program.is_relative_to(folder)
        status = Path(f"/proc/{server.child.pid}/status").read_text()
        assert "\nUid:\t0" not in status


def test_redis_keeps_data_after_a_kill_and_refuses_to_evict() -> None:
    with service_folder("test") as folder, RedisServer(folder) as server:
        with redis.Redis.from_url(server.url) as client:
            client.set("bell", "rung")
            assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        time.sleep(1.1)  # Redis flushes its append-only file every second.
        server.stop(kill=True)
        server.start()
        with redis.Redis.from_url(server.url) as client:
            assert client.get("bell") == b"rung"


def test_redis_asks_for_its_password_which_no_other_user_can_read() -> None:
    with service_folder("test") as folder, RedisServer(folder) as server:
        assert len(server.password) >= 32
        without = f"redis://127.0.0.1:{server.port}/0"
        for url in (without, without.replace("127", ":wrong@127")):
            with redis.Redis.from_url(url) as client, pytest.raises(redis.AuthenticationError):
                client.ping()
        assert server.password not in Path(f"/proc/{server.child.pid}/cmdline").read_text()
        assert server.password not in server.log.read_text()
        assert (folder / "redis.conf").stat().st_mode & 0o777 == 0o600
        first = server.password
        server.restart()
        assert server.password == first, "the password is created once"


def test_redis_is_empty_for_each_test(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
        client.set("left", "behind")


def test_redis_is_empty_for_the_next_test_too(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0


def test_servers_stop_when_their_test_process_is_killed(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from local.redis import RedisServer; import time\n"
        f"s = RedisServer(Path({str(tmp_path)!r})); s.start(); print(s.child.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
        parent.wait()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()
