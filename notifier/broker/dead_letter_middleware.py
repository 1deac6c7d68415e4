"""The dead-letter middleware writes one row to ``failed_jobs`` for each rejected message, without personal data.

The row is written before Redis rejects the message, so every rejected message has a row even after a crash.
"""

from __future__ import annotations

import json
import time
from typing import Any

import dramatiq
from dramatiq import Message, MessageProxy
from dramatiq.brokers.redis import RedisBroker
from dramatiq.errors import ActorNotFound
from dramatiq.middleware import Middleware, SkipMessage

from leads.logs import get_logger
from leads.redaction import where
from notifier.broker import dramatiq_internals as internals
from notifier.broker.consumer import UNDECODABLE
from notifier.core.db import transaction
from notifier.core.queues import QUEUES
from notifier.core.redaction import ids_of

log = get_logger(__name__)

#: How many seconds back to look for rejected messages that have no dead letter.
LOOK_BACK = 3600


class DeadLetterMiddleware(Middleware):
    """Records dead letters, and keeps exception texts out of Redis."""

    def before_enqueue(self, broker: Any, message: Message[Any], delay: int | None) -> None:
        """Remove the traceback that the Retries middleware added to the message."""
        internals.forget_traceback(message)

    def before_nack(self, broker: Any, message: MessageProxy) -> None:
        """Record the dead letter. If the database is down, ``recover_dead_letters`` records it later."""
        try:
            record_dead_letter(message, internals.exception_of(message))
        except Exception as error:
            log.error("dead_letter_not_written", message_id=message.message_id, error=where(error))


def record_dead_letter(message: internals.AnyMessage, error: BaseException | None) -> None:
    """Write a dead letter for the message, unless the message already has a dead letter."""
    with transaction() as cursor:
        cursor.execute(
            "INSERT INTO failed_jobs (queue_name, job_name, job_data, error_message, traceback, retry_count, job_key)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (job_key) DO NOTHING",
            (
                internals.queue_name_of(message),
                message.actor_name,
                json.dumps(ids_of(message)),
                _reason(message, error),
                where(error) if error is not None else None,
                _retries(message, error),
                f"message:{message.message_id}",
            ),
        )


def recover_dead_letters() -> int:
    """Write the dead letters that could not be written when their messages were rejected.

    Returns how many messages were rejected within the last hour. Raises redis.RedisError if Redis does not answer.
    """
    broker = dramatiq.get_broker()
    assert isinstance(broker, RedisBroker)
    client: Any = broker.client
    found = 0
    for queue in QUEUES:
        ids = client.zrangebyscore(internals.dead_key(broker, queue), (time.time() - LOOK_BACK) * 1000, "+inf")
        for data in client.hmget(internals.dead_messages_key(broker, queue), ids) if ids else []:
            try:
                message = internals.decode(data, queue)
            except ValueError:  # the consumer rejected these bytes and wrote their dead letter
                continue
            record_dead_letter(message, None)
            found += 1
    return found


def _retries(message: internals.AnyMessage, error: BaseException | None) -> int:
    """Return how many times the message was retried after the first attempt."""
    failures = internals.failures_of(message)
    is_final = isinstance(error, internals.final_exceptions(dramatiq.get_broker(), message.actor_name))
    return failures if is_final else max(failures - 1, 0)


def _reason(message: internals.AnyMessage, error: BaseException | None) -> str:
    if message.actor_name == UNDECODABLE:
        return "undecodable: the bytes are not a message"
    if isinstance(error, ActorNotFound):
        return "unknown actor"
    if isinstance(error, SkipMessage):
        return "too old"
    name = type(error).__name__ if error is not None else "an earlier failure"
    return f"retries used up: {name}" if internals.failures_of(message) else f"not to be retried: {name}"
