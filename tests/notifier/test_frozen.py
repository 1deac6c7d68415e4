"""If a process freezes, another process takes over, and no delivery is sent twice after the first process wakes."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

import notifier
from notifier.core.queues import ADMIN, SMS
from notifier.deliveries import dead_letters
from tests.notifier.system import System

HOLDER = """
SELECT a.pid FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND a.application_name = 'maintenance'
"""


def freeze(worker: subprocess.Popen[bytes]) -> None:
    os.killpg(worker.pid, signal.SIGSTOP)


def wake(worker: subprocess.Popen[bytes]) -> None:
    os.killpg(worker.pid, signal.SIGCONT)


def insert_due_sms(system: System) -> None:
    """Insert a text the way Airflow does, so that only the leader can wake a worker for the text."""
    system.rows(
        "SELECT open_deliveries(ARRAY[ROW ('urgent_lead_sms', %s::bigint, %s::bigint, %s, NULL, NULL, NULL, NULL)"
        "::delivery_request])",
        system.subscriber(),
        lead := system.lead(),
        f"inserted:{lead}",
    )


def test_another_process_takes_over_from_a_frozen_leader(system: System) -> None:
    leader = system.start_worker(ADMIN.queue_name)
    system.wait_until(lambda: system.rows(HOLDER), "a leader")
    (first,) = system.rows(HOLDER)
    system.start_worker(SMS.queue_name)
    system.wait_until(lambda: len(system.rows("SELECT FROM lane_status")) == 2, "another worker")
    freeze(leader)
    insert_due_sms(system)
    system.wait_until(lambda: system.states() == {"accepted": 1}, "the new leader to wake the queue", seconds=30)
    (second,) = system.rows(HOLDER)
    assert second != first
    wake(leader)
    system.wait_until(lambda: "database_lost" in system.output(), "the old leader to notice")
    assert system.rows(HOLDER) == [second]
    insert_due_sms(system)
    system.wait_until(lambda: system.states() == {"accepted": 2}, "the next text")


@contextmanager
def frozen_before_its_request(system: System) -> Iterator[subprocess.Popen[bytes]]:
    """Yield a worker that was frozen after it claimed a text and before it made the request.

    Another process is the leader. The leader's time runs a thousand times faster, so an hour takes 3.6 s.
    """
    system.start_worker(ADMIN.queue_name, NOTIFIER_TIME_SCALE="0.001")
    system.wait_until(lambda: system.rows(HOLDER), "a leader")
    with psycopg.connect(system.database.url) as blocker:
        blocker.execute("LOCK TABLE suppressions IN ACCESS EXCLUSIVE MODE")
        worker = system.start_worker(SMS.queue_name)
        system.wait_until(lambda: system.states() == {"sending": 1}, "the claim")
        time.sleep(0.5)
        freeze(worker)
    yield worker


def test_a_text_that_was_replayed_while_its_worker_was_frozen_is_sent_once(system: System) -> None:
    opened = notifier.urgent_lead_sms.send(system.subscriber(), system.lead())
    with frozen_before_its_request(system) as worker:
        system.wait_until(lambda: system.states() == {"parked": 1}, "the text parked")
        dead_letters.replay([letter.id for letter in dead_letters.find()])
        system.start_worker(SMS.queue_name)
        system.wait_until(lambda: system.states() == {"accepted": 1}, "the replayed text")
        wake(worker)
        time.sleep(3)
    assert system.accepted_sms() == [opened.delivery_id]
    assert system.states() == {"accepted": 1}


def test_a_worker_that_wakes_sends_what_nobody_has_taken(system: System) -> None:
    """While the worker was frozen, the text's state became unknown, but the worker knows that it sent nothing."""
    opened = notifier.urgent_lead_sms.send(system.subscriber(), system.lead())
    with frozen_before_its_request(system) as worker:
        system.wait_until(lambda: system.states() == {"unknown": 1}, "the text unknown")
        wake(worker)
        system.wait_until(lambda: system.states() == {"accepted": 1}, "the text sent")
    assert system.accepted_sms() == [opened.delivery_id]
    assert system.value("SELECT attempts FROM deliveries") == 1


def test_a_frozen_transaction_does_not_keep_its_locks(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    from notifier.core import db

    with pytest.raises(psycopg.OperationalError), db.transaction() as cursor:
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = '200ms'")
        assert cursor.execute("SELECT 1").fetchone()
        time.sleep(0.5)
        cursor.execute("SELECT 1")
    with db.transaction() as cursor:
        (limit,) = cursor.execute("SHOW idle_in_transaction_session_timeout").fetchall()
    assert limit == {"idle_in_transaction_session_timeout": "10s"}
