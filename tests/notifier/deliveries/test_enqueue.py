"""Concurrent threads enqueue deliveries in a shared transaction, and each thread gets its own result."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import psycopg
import pytest

import notifier
from notifier.core import db
from notifier.core.errors import UnknownRecipient
from notifier.core.states import State
from notifier.deliveries.enqueue import EnqueueResult
from tests.notifier.system import System

NOBODY = 987_654_321


def outcomes(calls: list[Callable[[], EnqueueResult]]) -> list[EnqueueResult | Exception]:
    """Make the calls in eight threads; return each call's result or exception."""

    def outcome(call: Callable[[], EnqueueResult]) -> EnqueueResult | Exception:
        try:
            return call()
        except Exception as error:
            return error

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(outcome, calls))


def test_threads_that_send_at_once_share_a_commit(system: System) -> None:
    users = [system.subscriber() for _ in range(8)]
    leads = [system.lead() for _ in range(50)]
    opened = outcomes([partial(notifier.new_lead_alert.send, user, lead) for lead in leads for user in users])
    assert all(isinstance(one, EnqueueResult) and one.is_new for one in opened)
    ids = {one.delivery_id for one in opened if isinstance(one, EnqueueResult)}
    assert len(ids) == len(opened) == system.value("SELECT count(*) FROM deliveries")
    commits = system.value("SELECT count(DISTINCT created_at) FROM deliveries")
    assert commits < len(ids) * 0.7


def test_each_caller_gets_its_own_error(system: System) -> None:
    user, poor = system.subscriber(tokens=10_000), system.subscriber(tokens=0)
    leads = [system.lead() for _ in range(30)]
    calls: list[Callable[[], EnqueueResult]] = []
    for lead in leads:
        calls.append(partial(notifier.new_lead_alert.send, user, lead))
        calls.append(partial(notifier.new_lead_alert.send, NOBODY, lead))
        calls.append(partial(notifier.new_lead_alert.send, poor, lead))
        calls.append(partial(notifier.payment_receipt.send, user, f"ch_{lead}\x00", 100, 10))
    got = outcomes(calls)
    good, unknown, unpaid, unwritable = got[0::4], got[1::4], got[2::4], got[3::4]
    assert all(isinstance(one, EnqueueResult) and one.is_new and one.state is State.QUEUED for one in good)
    assert all(isinstance(one, UnknownRecipient) for one in unknown)
    assert all(isinstance(one, EnqueueResult) and one.state is State.SKIPPED for one in unpaid)
    assert all(isinstance(one, psycopg.Error | ValueError) for one in unwritable)
    assert system.states() == {"queued": 30, "skipped": 30}
    assert system.balance(user) == 10_000 - 30


def test_only_one_of_many_threads_creates_the_same_delivery(system: System) -> None:
    user, lead = system.subscriber(), system.lead()
    got = outcomes([partial(notifier.new_lead_alert.send, user, lead)] * 40)
    assert [one.is_new for one in got if isinstance(one, EnqueueResult)].count(True) == 1
    assert len({one.delivery_id for one in got if isinstance(one, EnqueueResult)}) == 1


def test_a_locked_subscriber_delays_no_other(system: System) -> None:
    user, locked, leads = system.subscriber(), system.subscriber(), [system.lead() for _ in range(20)]
    with ThreadPoolExecutor(1) as other, psycopg.connect(system.database.url) as holder:
        holder.execute("SELECT FROM users WHERE id = %s FOR UPDATE", [locked])
        late = other.submit(notifier.new_lead_alert.send, locked, leads[0])
        began = time.monotonic()
        got = outcomes([partial(notifier.new_lead_alert.send, user, lead) for lead in leads])
        assert time.monotonic() - began < 5
        assert all(isinstance(one, EnqueueResult) and one.is_new for one in got)
        assert not late.done()
        holder.rollback()
        assert late.result(30).is_new


def test_a_shared_transaction_commits_all_or_nothing(system: System) -> None:
    user = system.subscriber()
    with pytest.raises(psycopg.errors.DivisionByZero), db.pipeline() as connection:
        connection.execute("UPDATE users SET first_name = 'Kim' WHERE id = %s", [user])
        connection.execute("SELECT 1 / 0")
    with pytest.raises(KeyError), db.pipeline() as connection:
        connection.execute("UPDATE users SET first_name = 'Kim' WHERE id = %s", [user])
        raise KeyError
    assert system.value("SELECT first_name FROM users WHERE id = %s", user) == "Pat"
