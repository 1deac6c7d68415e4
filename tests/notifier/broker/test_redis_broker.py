"""The broker reads REDIS_URL and connects to Redis when it is first used."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import redis

from local.paths import ROOT
from local.redis import RedisServer
from notifier.actors.drain import drain_email_workflows
from notifier.broker.redis_broker import make_broker, redis_url
from notifier.core.queues import EMAIL
from tests.servers.folders import service_folder


def run_python(code: str, **settings: str) -> str:
    """Run Python code with only the given settings; return the code's output."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "PYTHONPATH", "HOME")}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, env=kept | settings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_the_notifier_reads_no_setting_and_connects_to_nothing() -> None:
    run_python(
        "import socket; socket.socket.connect = socket.create_connection = None\nimport notifier",
        REDIS_URL="not an address",
    )


def test_the_address_is_read_when_the_first_connection_is_made(redis_url: str) -> None:
    code = f"import os, dramatiq, notifier\nos.environ['REDIS_URL'] = {redis_url!r}\n"
    code += "notifier.actors.drain.drain_email_workflows.send()\nprint('sent')"
    assert run_python(code, REDIS_URL="redis://127.0.0.1:1/0") == "sent\n"
    with redis.Redis.from_url(redis_url) as client:
        assert client.llen("dramatiq:email-workflows") == 1


def test_a_closed_broker_connects_to_the_current_address(redis_url: str) -> None:
    with service_folder("redis") as folder, RedisServer(folder) as other:
        addresses = [redis_url, other.url]
        broker = make_broker(lambda: addresses[0])
        for address in (redis_url, other.url):
            broker.enqueue(drain_email_workflows.message())
            assert broker.waiting(EMAIL) == 1
            with redis.Redis.from_url(address) as client:
                assert client.llen("dramatiq:email-workflows") == 1
            addresses.reverse()
            broker.close()


def test_an_address_may_ask_for_tls_or_a_database_number(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    numbered = redis_url.removesuffix("/0") + "/3"
    broker = make_broker(lambda: numbered)
    broker.enqueue(drain_email_workflows.message())
    with redis.Redis.from_url(numbered) as client:
        assert client.llen("dramatiq:email-workflows") == 1
    broker = make_broker(lambda: "rediss://127.0.0.1:1/0?ssl_cert_reqs=none")
    assert isinstance(broker.client.connection_pool.make_connection(), redis.SSLConnection)


def test_the_setting_has_a_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)
    assert redis_url() == "redis://127.0.0.1:6379/0"
    monkeypatch.setenv("REDIS_URL", "redis://redis:6379/0")
    assert redis_url() == "redis://redis:6379/0"
