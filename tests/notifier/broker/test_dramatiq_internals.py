"""The Dramatiq internals that the notifier uses are unchanged. A failing test names the code to check."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import dramatiq
import pytest
import redis
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import Middleware, Retries

from local.paths import ROOT
from notifier.broker import dramatiq_internals as internals

QUEUE = "internals"


class Seen(Middleware):
    """Records each message that Dramatiq passes to ``before_nack``."""

    def __init__(self) -> None:
        self.rejected: list[tuple[BaseException | None, int, str]] = []

    def before_nack(self, broker: Any, message: dramatiq.MessageProxy) -> None:
        error = internals.exception_of(message)
        self.rejected.append((error, internals.failures_of(message), internals.redis_id_of(message)))


@pytest.fixture
def broker(redis_url: str) -> Iterator[RedisBroker]:
    """Yield Dramatiq's own Redis broker, not the notifier's."""
    made = RedisBroker(  # type: ignore[no-untyped-call]
        client=redis.Redis.from_url(redis_url), middleware=[Retries(max_retries=1, min_backoff=1, max_backoff=1)]
    )
    made.declare_queue(QUEUE)
    yield made
    made.client.close()


def message(**options: Any) -> dramatiq.Message[Any]:
    return dramatiq.Message(queue_name=QUEUE, actor_name="nothing", args=(), kwargs={}, options=options)


@pytest.mark.parametrize("lock", ["requirements.txt", "requirements-notifier.txt"])
def test_the_locked_version_of_dramatiq_is_the_one_that_was_checked(lock: str) -> None:
    locked = re.findall(r"^dramatiq==(\S+)", (ROOT / lock).read_text("utf-8"), re.MULTILINE)
    advice = (
        f"dramatiq_internals.py was written against Dramatiq {internals.READ_VERSION}, {lock} has {locked}: "
        "compare each function with the new source, then change READ_VERSION"
    )
    assert locked == [internals.READ_VERSION], advice
    assert version("dramatiq") == internals.READ_VERSION, advice


def test_no_other_module_uses_dramatiqs_internals() -> None:
    inside = r"\._exception|__acks__|\bdo_(fetch|ack|nack|requeue)\b|worker_threads|consumer_whitelist"
    inside += r"|redis_message_id|\.msgs\b|\.XQ\b|\.DQ\b"
    files = [path for path in Path(ROOT / "notifier").rglob("*.py") if path.name != "dramatiq_internals.py"]
    found = {str(path.relative_to(ROOT)) for path in files if re.search(inside, path.read_text("utf-8"))}
    assert found == set()


def test_messages_are_stored_under_the_expected_keys(broker: RedisBroker) -> None:
    sent = broker.enqueue(message())
    redis_id = internals.redis_id_of(sent)
    client = broker.client
    assert client.lrange(internals.waiting_key(broker, QUEUE), 0, -1) == [redis_id.encode()]
    assert client.hgetall(internals.messages_key(broker, QUEUE)) == {redis_id.encode(): sent.encode()}

    assert internals.fetch(broker, QUEUE, 5) == [sent.encode()]
    assert client.smembers(internals.unacknowledged_key(broker, QUEUE)) == {redis_id.encode()}
    assert not client.exists(internals.waiting_key(broker, QUEUE))

    internals.return_to_queue(broker, QUEUE, [redis_id])
    assert client.lrange(internals.waiting_key(broker, QUEUE), 0, -1) == [redis_id.encode()]
    assert not client.exists(internals.unacknowledged_key(broker, QUEUE))

    internals.fetch(broker, QUEUE, 5)
    internals.reject(broker, QUEUE, redis_id)
    assert client.zrange(internals.dead_key(broker, QUEUE), 0, -1) == [redis_id.encode()]
    assert client.hgetall(internals.dead_messages_key(broker, QUEUE)) == {redis_id.encode(): sent.encode()}
    assert not client.exists(internals.messages_key(broker, QUEUE))


def test_an_acknowledged_message_leaves_nothing(broker: RedisBroker) -> None:
    sent = broker.enqueue(message())
    internals.fetch(broker, QUEUE, 1)
    internals.acknowledge(broker, QUEUE, internals.redis_id_of(sent))
    assert [key for key in broker.client.keys(f"*{QUEUE}*") if b"heartbeats" not in key] == []


def test_a_message_whose_bytes_are_gone_is_left_out(broker: RedisBroker) -> None:
    broker.enqueue(message())
    broker.client.delete(internals.messages_key(broker, QUEUE))
    assert internals.fetch(broker, QUEUE, 1) == []


def test_an_encoded_message_is_what_dramatiq_would_have_enqueued(broker: RedisBroker) -> None:
    given = message(max_age=5)
    redis_id, data = internals.encode_for_redis(given)
    broker.enqueue(given)
    (theirs,) = broker.client.hvals(internals.messages_key(broker, QUEUE))
    assert isinstance(theirs, bytes)
    assert dramatiq.Message.decode(data).copy(options={"redis_message_id": ""}) == dramatiq.Message.decode(theirs).copy(
        options={"redis_message_id": ""}
    )
    assert internals.redis_id_of(dramatiq.Message.decode(data)) == redis_id
    stand_in = internals.message_with_redis_id("one", queue_name=QUEUE, actor_name="none", args=(), kwargs={})
    assert internals.redis_id_of(stand_in) == "one"


def test_a_delayed_message_says_until_when_and_for_which_queue(broker: RedisBroker) -> None:
    before = dramatiq.common.current_millis() / 1000
    delayed = broker.enqueue(message(), delay=60_000)
    assert before + 60 <= internals.due_time_of(delayed) <= before + 65
    assert delayed.queue_name != QUEUE
    assert internals.queue_name_of(delayed) == QUEUE
    now = message()
    assert (internals.due_time_of(now), internals.queue_name_of(now)) == (0, QUEUE)


def test_a_rejected_message_has_its_exception_and_its_failures(broker: RedisBroker) -> None:
    seen = Seen()
    broker.add_middleware(seen)

    class Final(Exception):
        pass

    def fail(final: bool) -> None:
        raise Final if final else KeyError

    actor = dramatiq.actor(broker=broker, queue_name=QUEUE, throws=Final)(fail)
    assert internals.final_exceptions(broker, "fail") == (Final,)
    assert internals.final_exceptions(broker, "no_such_actor") == ()
    worker = dramatiq.Worker(broker, worker_timeout=10, worker_threads=2)
    worker.start()
    try:
        for final in (True, False):
            actor.send(final)
            broker.join(QUEUE, timeout=10_000)
            worker.join()
    finally:
        worker.stop()
    assert [(type(error), failures) for error, failures, _ in seen.rejected] == [(Final, 0), (KeyError, 2)]


def test_retries_put_the_traceback_where_it_is_removed(broker: RedisBroker) -> None:
    proxy = dramatiq.MessageProxy(message())
    dramatiq.actor(broker=broker, queue_name=QUEUE, actor_name="nothing")(lambda: None)
    retries: Any = Retries(max_retries=1)  # Dramatiq's Retries has no type annotations.
    retries.after_process_message(broker, proxy, exception=KeyError("Jane Roe"))
    assert proxy.options["traceback"]
    internals.forget_traceback(proxy)
    assert "traceback" not in proxy.options


def test_a_worker_takes_its_threads_and_queues_before_it_boots(broker: RedisBroker) -> None:
    class Ask(Middleware):
        def before_worker_boot(self, broker: Any, worker: dramatiq.Worker) -> None:
            internals.require_threads(worker, 5)

    broker.add_middleware(Ask())
    worker = dramatiq.Worker(broker, queues={QUEUE}, worker_timeout=10, worker_threads=1)
    assert internals.served_queues(worker, ["other", QUEUE]) == [QUEUE]
    assert internals.served_queues(dramatiq.Worker(broker), ["other", QUEUE]) == ["other", QUEUE]
    worker.start()
    try:
        assert len(worker.workers) == 5
    finally:
        worker.stop()
