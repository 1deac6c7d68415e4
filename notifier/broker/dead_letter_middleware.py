"""However a message dies, it leaves a row of ``failed_jobs`` before it leaves its queue: one, and nothing personal."""

from __future__ import annotations

import json
import logging
import time
from typing import Any

import dramatiq
from dramatiq import Message, MessageProxy
from dramatiq.errors import ActorNotFound
from dramatiq.middleware import Middleware, SkipMessage

from notifier.broker.consumer import UNDECODABLE
from notifier.core.db import transaction
from notifier.core.errors import where
from notifier.core.queues import QUEUES
from notifier.core.redaction import ids_of, redact

log = logging.getLogger(__name__)

#: How far back (s) the broker's own dead messages are looked through for one that left no row.
LOOK_BACK = 3600


class DeadLetterMiddleware(Middleware):
    """Writes the row before the message is rejected, and keeps words of exceptions out of Redis and the log."""

    def after_process_boot(self, broker: Any) -> None:
        for handler in logging.getLogger().handlers:
            handler.addFilter(redact)

    def before_enqueue(self, broker: Any, message: Message[Any], delay: int | None) -> None:
        message.options.pop("traceback", None)

    def before_nack(self, broker: Any, message: MessageProxy) -> None:
        try:
            record_dead_letter(message, message._exception)
        except Exception as error:
            log.error("Dead message %s left no row yet: %s", message.message_id, where(error))


def record_dead_letter(message: Message[Any] | MessageProxy, error: BaseException | None) -> None:
    """Leaves the dead letter of a message; the same message again leaves nothing more."""
    with transaction() as cursor:
        cursor.execute(
            "INSERT INTO failed_jobs (queue_name, job_name, job_data, error_message, traceback, retry_count, job_key)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (job_key) DO NOTHING",
            (
                message.queue_name.removesuffix(".DQ"),
                message.actor_name,
                json.dumps(ids_of(message)),
                _reason(message, error),
                where(error) if error is not None else None,
                _retries(message, error),
                f"message:{message.message_id}",
            ),
        )


def _retries(message: Message[Any] | MessageProxy, error: BaseException | None) -> int:
    """Tries after the first: Dramatiq counts every failure but one that its actor never wants retried."""
    counted = int(message.options.get("retries") or 0)
    actor = dramatiq.get_broker().actors.get(message.actor_name)
    final = actor.options.get("throws", ()) if actor is not None else ()
    return counted if isinstance(error, final) else max(counted - 1, 0)


def _reason(message: Message[Any] | MessageProxy, error: BaseException | None) -> str:
    if message.actor_name == UNDECODABLE:
        return "undecodable: its bytes are no message"
    if isinstance(error, ActorNotFound):
        return "unknown actor"
    if isinstance(error, SkipMessage):
        return "too old"
    name = type(error).__name__ if error is not None else "an earlier failure"
    return f"retries used up: {name}" if message.options.get("retries") else f"not to be retried: {name}"


def recover_dead_letters() -> int:
    """Looks for dead messages whose row could not be written when they died; returns how many were found."""
    broker: Any = dramatiq.get_broker()
    found = 0
    for queue in QUEUES:
        dead = f"{broker.namespace}:{queue}.XQ"
        ids = broker.client.zrangebyscore(dead, (time.time() - LOOK_BACK) * 1000, "+inf")
        for data in broker.client.hmget(f"{dead}.msgs", ids) if ids else []:
            try:
                message = Message.decode(data)
            except Exception:  # its row names its place among the undecodable, and was written then
                continue
            record_dead_letter(message, None)
            found += 1
    return found
